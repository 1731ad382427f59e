"""A proxy: hooks before, after and on errors, and a record of every call."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from time import perf_counter, time
from typing import Any

from lllm import Tactic, TacticEvent, TacticUnsupportedError
from lllm.context import CallContext
from lllm.error_text import error_text
from lllm.names import check_flag, check_metadata
from lllm_wrappers.json_form import json_value
from lllm_wrappers.records import ProxyRecord
from lllm_wrappers.wrapper import Wrapper, aclose, check_wrapped

__all__ = ["NONE", "ErrorHook", "ProxyTactic", "RecordSink", "ValueHook", "proxy_tactic"]

logger = logging.getLogger("lllm.wrappers")

ValueHook = Callable[[Any, CallContext], Any]
"""`hook(value, context)`: returns the value to go on with, None to keep it, or `NONE` to go on with None."""

ErrorHook = Callable[[BaseException, CallContext], Any]
"""`hook(error, context)`: is told of a failure."""

RecordSink = Callable[[ProxyRecord], Any]
"""`sink(record)`: keeps the record of a call."""


class _None:
    """The type of `NONE`."""

    def __repr__(self) -> str:
        return "NONE"


NONE = _None()
"""What a hook returns to replace a value by None."""


class ProxyTactic(Wrapper, register=False):
    """A tactic whose calls pass through hooks and leave records.

    A record is written in every case, also for streams that are closed or cancelled. Hooks may be asynchronous where
    the call is. What a sink, a capture or `on_error` raises is logged and never changes the outcome.

    Args:
        tactic: The tactic inside.
        name: Name instead of `<inner name>_proxy`.
        description: Description instead of `Proxy for <inner name>.`
        before: Sees and may replace the validated input.
        after: Sees and may replace the output, or each chunk of a stream.
        on_error: Is told of failures.
        sink: A callable, or an object with `append`, that takes `ProxyRecord`s.
        capture_inputs: Put inputs into the records.
        capture_outputs: Put outputs into the records.
        metadata: Metadata of the proxy; shown in every record.

    Raises:
        TypeError: An argument has the wrong type.
    """

    def __init__(
        self,
        tactic: Tactic[Any, Any],
        *,
        name: str | None = None,
        description: str | None = None,
        before: ValueHook | None = None,
        after: ValueHook | None = None,
        on_error: ErrorHook | None = None,
        sink: Any = None,
        capture_inputs: bool = False,
        capture_outputs: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.before = _hook(before, "before")
        self.after = _hook(after, "after")
        self.on_error = _hook(on_error, "on_error")
        self.sink = _sink(sink)
        self.capture_inputs = check_flag(capture_inputs, "capture_inputs")
        self.capture_outputs = check_flag(capture_outputs, "capture_outputs")
        self._own_metadata = check_metadata(metadata)
        inner = check_wrapped(tactic)
        ours = {"proxied_tactic": inner.tactic_name, "proxied_runtime_kind": inner.runtime_kind}
        super().__init__(
            inner, "proxy", name=name, description=description, metadata={**self._own_metadata, **ours}
        )

    def _run(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        if self.sink is None and self.on_error is None:  # nobody to tell, so nothing to watch
            value = input_value if self.before is None else _now(self.before, input_value, context, self)
            output = self.tactic.run(value, context=context, **kwargs)
            return output if self.after is None else _now(self.after, output, context, self)
        watch = _Watch(self, context, input_value)
        try:
            value = _now(self.before, input_value, context, self)
            output = _now(self.after, self.tactic.run(value, context=context, **kwargs), context, self)
        except BaseException as error:
            watch.fail(error)
            raise
        watch.succeed(output)
        return output

    async def _arun(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        if self.sink is None and self.on_error is None:
            value = input_value if self.before is None else await _later(self.before, input_value, context)
            output = await self.tactic.arun(value, context=context, **kwargs)
            return output if self.after is None else await _later(self.after, output, context)
        watch = _Watch(self, context, input_value)
        try:
            value = await _later(self.before, input_value, context)
            output = await self.tactic.arun(value, context=context, **kwargs)
            output = await _later(self.after, output, context)
        except BaseException as error:
            await watch.afail(error)
            raise
        await watch.asucceed(output)
        return output

    def _stream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Iterator[Any]:
        watch = _Watch(self, context, input_value)
        chunks: list[Any] | None = [] if self.capture_outputs else None
        try:
            value = _now(self.before, input_value, context, self)
            for item in self.tactic.stream(value, context=context, **kwargs):
                chunk = _now(self.after, item, context, self)
                if chunks is not None:
                    chunks.append(chunk)
                yield chunk
        except BaseException as error:
            watch.fail(error, chunks)
            raise
        watch.succeed(chunks)

    def _astream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._passed(input_value, context, self.tactic.astream, kwargs)

    def _aevents(
        self, input_value: Any, *, context: CallContext, **kwargs: Any
    ) -> AsyncIterator[TacticEvent]:
        events = self.tactic.supports("events")
        return self._passed(
            input_value, context, self.tactic.aevents if events else self.tactic.astream, kwargs
        )

    async def _passed(
        self,
        input_value: Any,
        context: CallContext,
        source: Callable[..., AsyncIterator[Any]],
        kwargs: dict[str, Any],
    ) -> AsyncIterator[Any]:
        """Pass an asynchronous stream through the hooks."""
        watch = _Watch(self, context, input_value)
        chunks: list[Any] | None = [] if self.capture_outputs else None
        inner: Any = None
        try:
            value = await _later(self.before, input_value, context)
            inner = source(value, context=context, **kwargs)
            async for item in inner:
                chunk = await _later(self.after, item, context)
                if chunks is not None:
                    chunks.append(chunk)
                yield chunk
        except BaseException as error:
            await aclose(inner)
            await watch.afail(error, chunks)
            raise
        await watch.asucceed(chunks)


def proxy_tactic(tactic: Tactic[Any, Any], **options: Any) -> ProxyTactic:
    """Return a proxy of a tactic.

    Args:
        tactic: The tactic inside.
        **options: Arguments of `ProxyTactic`.
    """
    return ProxyTactic(tactic, **options)


def _hook(hook: Any, label: str) -> Any:
    if hook is not None and not callable(hook):
        raise TypeError(f"{label} must be callable or None, not {type(hook).__name__}.")
    return hook


def _sink(sink: Any) -> RecordSink | None:
    if sink is None or callable(sink):
        return sink  # type: ignore[no-any-return]
    append = getattr(sink, "append", None)
    if not callable(append):
        raise TypeError(f"sink must be callable or have append(), not {type(sink).__name__}.")
    return append  # type: ignore[no-any-return]


def _chosen(value: Any, returned: Any) -> Any:
    if returned is None:
        return value
    return None if returned is NONE else returned


def _now(hook: ValueHook | None, value: Any, context: CallContext, proxy: Tactic[Any, Any]) -> Any:
    if hook is None:
        return value
    returned = hook(value, context)
    if isinstance(returned, Awaitable):
        close = getattr(returned, "close", None)
        if close is not None:
            close()
        raise TacticUnsupportedError(
            f"A hook of `{proxy.tactic_name}` is asynchronous; use arun(), astream() or aevents()."
        )
    return _chosen(value, returned)


async def _later(hook: ValueHook | None, value: Any, context: CallContext) -> Any:
    if hook is None:
        return value
    returned = hook(value, context)
    return _chosen(value, await returned if isinstance(returned, Awaitable) else returned)


class _Watch:
    """Times one call and writes its record."""

    def __init__(self, proxy: ProxyTactic, context: CallContext, input_value: Any) -> None:
        self.proxy = proxy
        self.context = context
        self.input_value = input_value
        self.started_at = time()
        self.started = perf_counter()

    def succeed(self, output: Any) -> None:
        """Record a success."""
        self._write("success", output, None)

    def fail(self, error: BaseException, output: Any = None) -> None:
        """Tell `on_error`, then record the failure."""
        if self.proxy.on_error is not None and isinstance(error, Exception):
            self._quietly("on_error", self.proxy.on_error, error, self.context)
        self._write("failure", output, error)

    async def asucceed(self, output: Any) -> None:
        """Record a success; an asynchronous sink is awaited."""
        await self._awaited("sink", self._write("success", output, None, awaited=True))

    async def afail(self, error: BaseException, output: Any = None) -> None:
        """Tell `on_error`, then record the failure; both may be asynchronous."""
        if self.proxy.on_error is not None and isinstance(error, Exception):
            told = self._quietly("on_error", self.proxy.on_error, error, self.context, awaited=True)
            await self._awaited("on_error", told)
        await self._awaited("sink", self._write("failure", output, error, awaited=True))

    def _write(self, state: str, output: Any, error: BaseException | None, *, awaited: bool = False) -> Any:
        sink = self.proxy.sink
        if sink is None:
            return None
        record = self._quietly("capture", self._record, state, output, error)
        return None if record is None else self._quietly("sink", sink, record, awaited=awaited)

    def _record(self, state: str, output: Any, error: BaseException | None) -> ProxyRecord:
        proxy = self.proxy
        # All of it is known to be well-formed, and validating it again would take longer than most calls.
        return ProxyRecord.model_construct(
            request_id=self.context.request_id,
            proxy=proxy.tactic_name,
            tactic=proxy.tactic.tactic_name,
            state=state,
            started_at=self.started_at,
            ended_at=time(),
            latency_ms=(perf_counter() - self.started) * 1000.0,
            input_value=json_value(self.input_value) if proxy.capture_inputs else None,
            output_value=json_value(output) if proxy.capture_outputs and output is not None else None,
            error_type=None if error is None else type(error).__name__,
            error=None if error is None else error_text(error),
            metadata={
                "context": check_metadata(self.context.metadata),
                "proxy": check_metadata(proxy._own_metadata),
            },
        )

    def _quietly(self, what: str, function: Callable[..., Any], *args: Any, awaited: bool = False) -> Any:
        try:
            returned = function(*args)
        except Exception:
            logger.exception("the %s of proxy %r failed", what, self.proxy.tactic_name)
            return None
        if isinstance(returned, Awaitable) and not awaited:
            close = getattr(returned, "close", None)
            if close is not None:
                close()
            logger.warning("the %s of proxy %r is asynchronous; use arun()", what, self.proxy.tactic_name)
        return returned

    async def _awaited(self, what: str, returned: Any) -> None:
        if not isinstance(returned, Awaitable):
            return
        try:
            await returned
        except Exception:
            logger.exception("the %s of proxy %r failed", what, self.proxy.tactic_name)

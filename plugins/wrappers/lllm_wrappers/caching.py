"""Cache: the result of an equal input, without the work."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError, Future
from threading import Lock
from typing import Any

from pydantic_core import to_json

from lllm import DeadlineExceeded, Tactic
from lllm.background import running_loop
from lllm.context import CallContext
from lllm.names import copy_boundary
from lllm_wrappers.numbers import check_count, check_seconds
from lllm_wrappers.renewal import Renewed
from lllm_wrappers.waiting import wait_for
from lllm_wrappers.wrapper import Wrapper, aclose

__all__ = ["CacheTactic", "cache"]


class CacheTactic(Renewed, Wrapper, register=False):
    """A tactic that does equal work once.

    Inputs are equal when their JSON forms are, key order aside; what has none is never kept. Calls with one input
    that run at the same time share one piece of work. Failures are not kept. Keyword arguments are part of the key.
    Streams are replayed chunk by chunk once they have ended well. Copies and forked processes begin empty.

    Args:
        tactic: The tactic inside.
        max_entries: Most results that are kept; the least recently used goes first.
        ttl: Seconds after which a result is forgotten, or None.
        key: Makes the key of an input instead of its JSON form.
        name: Name instead of `<inner name>_cache`.
    """

    _own_state = ("_kept", "_running", "_lock")

    def __init__(
        self,
        tactic: Tactic[Any, Any],
        *,
        max_entries: int = 1024,
        ttl: float | None = None,
        key: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.max_entries = check_count(max_entries, "max_entries")
        self.ttl = None if ttl is None else check_seconds(ttl, "ttl")
        self.key = key
        self._begin_state()
        super().__init__(tactic, "cache", name=name)

    def _renew(self) -> None:
        self._kept: OrderedDict[Any, tuple[float, Any]] = OrderedDict()
        self._running: dict[Any, Future[Any]] = {}
        self._lock = Lock()

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._kept.clear()

    def _run(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        key = self._key("run", input_value, kwargs)
        if key is None:
            return self.tactic.run(input_value, context=context, **kwargs)
        while True:
            found, future, mine = self._claim(key)
            if found:
                return future.result()
            if mine:
                break
            if running_loop() is not None:  # whoever does the work may need this very thread for it
                return self.tactic.run(input_value, context=context, **kwargs)
            try:
                return self._shared(wait_for(future, context))
            except CancelledError:
                continue  # whoever did the work went away; somebody else must do it
        try:
            output = self.tactic.run(input_value, context=context, **kwargs)
        except BaseException as error:
            self._abandon(key, future, error)
            raise
        return self._settle(key, future, output)

    async def _arun(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        key = self._key("run", input_value, kwargs)
        if key is None:
            return await self.tactic.arun(input_value, context=context, **kwargs)
        while True:
            found, future, mine = self._claim(key)
            if found:
                return future.result()
            if mine:
                break
            try:
                return self._shared(await asyncio.shield(asyncio.wrap_future(future)))
            except asyncio.CancelledError:
                # Either this caller goes, or the one that did the work went and somebody else must do it.
                task = asyncio.current_task()
                if not future.cancelled() or (task is not None and task.cancelling()):
                    raise
        try:
            output = await self.tactic.arun(input_value, context=context, **kwargs)
        except BaseException as error:
            self._abandon(key, future, error)
            raise
        return self._settle(key, future, output)

    def _stream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Iterator[Any]:
        key = self._key("stream", input_value, kwargs)
        if key is None:
            yield from self.tactic.stream(input_value, context=context, **kwargs)
            return
        kept = self._look_up(key)
        if kept is not None:
            yield from kept[0]
            return
        chunks = []
        for chunk in self.tactic.stream(input_value, context=context, **kwargs):
            chunks.append(chunk)
            yield chunk
        self._keep(key, chunks)

    def _astream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._replayed("stream", input_value, context, kwargs)

    def _aevents(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._replayed("events", input_value, context, kwargs)

    async def _replayed(
        self, kind: str, input_value: Any, context: CallContext, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        key = self._key(kind, input_value, kwargs)
        kept = None if key is None else self._look_up(key)
        if kept is not None:
            for chunk in kept[0]:
                yield chunk
            return
        method = self.tactic.astream if kind == "stream" else self.tactic.aevents
        source: Any = method(input_value, context=context, **kwargs)
        chunks = []
        try:
            async for chunk in source:
                if key is not None:
                    chunks.append(chunk)
                yield chunk
        finally:
            await aclose(source)
        if key is not None:
            self._keep(key, chunks)

    def _key(self, kind: str, input_value: Any, kwargs: dict[str, Any]) -> Any:
        """Return what the result is kept under, or None when the call has no JSON form and is not kept."""
        made = self.key(input_value) if self.key is not None else _canonical(input_value)
        options = _canonical(kwargs) if kwargs else b""
        if options is None or (made is None and self.key is None):
            return None
        return kind, made, options

    def _claim(self, key: Any) -> tuple[bool, Future[Any], bool]:
        """Return (found, future, mine): a kept result, another caller's work, or work to do oneself."""
        with self._lock:
            kept = self._fresh(key)
            future: Future[Any]
            if kept is not None:
                future = Future()
                future.set_result(self._shared(kept[0]))
                return True, future, False
            running = self._running.get(key)
            if running is not None:
                return False, running, False
            future = self._running[key] = Future()
            return False, future, True

    def _settle(self, key: Any, future: Future[Any], output: Any) -> Any:
        self._keep(key, output)
        with self._lock:
            self._running.pop(key, None)
        future.set_result(output)
        return self._shared(output)

    def _abandon(self, key: Any, future: Future[Any], error: BaseException) -> None:
        with self._lock:
            self._running.pop(key, None)
        if isinstance(error, Exception) and not isinstance(error, DeadlineExceeded):
            future.set_exception(error)
        else:
            # Whoever did the work had no time left for it or went away; those who wait have not.
            future.cancel()

    def _look_up(self, key: Any) -> tuple[Any] | None:
        with self._lock:
            return self._fresh(key)

    def _fresh(self, key: Any) -> tuple[Any] | None:
        entry = self._kept.get(key)
        if entry is None:
            return None
        if self.ttl is not None and time.monotonic() - entry[0] >= self.ttl:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return (entry[1],)

    def _keep(self, key: Any, output: Any) -> None:
        with self._lock:
            self._kept[key] = (time.monotonic(), output)
            self._kept.move_to_end(key)
            while len(self._kept) > self.max_entries:
                self._kept.popitem(last=False)

    @staticmethod
    def _shared(output: Any) -> Any:
        """Return a copy, so that no caller can change what another one gets."""
        return copy_boundary(output, lenient=True)


def _canonical(value: Any) -> bytes | None:
    """Return the JSON form with its keys in order, or None; a `repr` would not do: it may show an address."""
    try:
        return to_json(_sorted(value), inf_nan_mode="constants")
    except Exception:
        return None


def _sorted(value: Any) -> Any:
    """Bring maps into one order; models are read field by field."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [_sorted(item) for item in value]
    return value


def cache(tactic: Tactic[Any, Any], **options: Any) -> CacheTactic:
    """Return a tactic that does equal work once.

    Args:
        tactic: The tactic inside.
        **options: Arguments of `CacheTactic`.
    """
    return CacheTactic(tactic, **options)

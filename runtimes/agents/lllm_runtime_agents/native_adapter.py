"""`NativeTacticAdapter`: any object with `run`, `call` or `stream` as a tactic."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

from lllm.background import iterate_async, iterate_in_thread, run_in_thread
from lllm.context import CallContext
from lllm.errors import TacticUnsupportedError
from lllm.events import TacticEvent
from lllm.names import check_flag, copy_boundary
from lllm.tactic import Tactic

__all__ = ["NativeTacticAdapter"]

_CONTEXT_FIELDS = (
    "request_id",
    "trace_id",
    "span_id",
    "package_ref",
    "service_ref",
    "tactic_ref",
    "endpoint",
    "tags",
)
_SINGLE = (str, bytes, bytearray, Mapping)


class NativeTacticAdapter(Tactic[Any, Any], register=False):
    """Wraps any object that works like a tactic; an agent group needs it only to be renamed or re-typed.

    Args:
        native: The object: it has `run` or `call`, or `arun` or `acall`, and perhaps `stream` or `astream`.
        name: Name of the tactic; by default the object's `name`, else its class's name.
        description: Description; by default the object's `description`, else its class's own docstring.
        input_type: Type of the input; by default the object's `input_type` or `input_model`.
        output_type: Type of the output; by default the object's `output_type` or `output_model`.
        package_ref: Tactic ref under which the tactic is published.
        service_ref: Service ref or URL of the service that runs it.
        examples: Maps that show inputs and outputs.
        metadata: Anything else that `info()` should say.
        run_kwargs: Keyword arguments of every call; those of a single call go over them.
        include_context_metadata: Whether the context's metadata and ids are handed over as `metadata`.

    Raises:
        TypeError: `run_kwargs` is no string-keyed mapping, or the flag is no boolean.
    """

    runtime_kind = "native"

    def __init__(
        self,
        native: Any,
        *,
        name: str | None = None,
        description: str | None = None,
        input_type: Any = None,
        output_type: Any = None,
        package_ref: str | None = None,
        service_ref: str | None = None,
        examples: list[dict[str, Any]] | None = None,
        metadata: Mapping[str, Any] | None = None,
        run_kwargs: Mapping[str, Any] | None = None,
        include_context_metadata: bool = True,
    ) -> None:
        self.native = native
        self.run_kwargs = _checked_kwargs(run_kwargs)
        self.include_context_metadata = check_flag(include_context_metadata, "include_context_metadata")
        self.input_type = _first(input_type, native, "input_type", "input_model")
        self.output_type = _first(output_type, native, "output_type", "output_model")
        super().__init__(
            name=_name(native) if name is None else name,
            description=_description(native) if description is None else description,
            package_ref=package_ref,
            service_ref=service_ref,
            examples=examples,
            metadata=metadata,
        )

    def capabilities(self) -> set[str]:
        """Return `run`, `arun`, and `stream` and `events` as far as the object has them."""
        found = {"run", "arun"}
        reported = getattr(self.native, "capabilities", None)
        if callable(reported):
            return found | ({"stream", "events"} & set(reported()))
        if self._method("stream", "astream") is not None:
            found.add("stream")
        return found

    def _run(self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any) -> Any:
        method = self._method("run", "call", "arun", "acall")
        if method is None:
            raise TypeError(
                f"`{type(self.native).__name__}` must define run(), call(), arun() or acall() to be a tactic."
            )
        return method(input_value, **self._arguments(method, context, kwargs))

    async def _arun(self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any) -> Any:
        method = self._method("arun", "acall")
        if method is None:
            # A coroutine that a synchronous method returns is awaited here, on the caller's loop.
            result = await run_in_thread(self._run, input_value, context=context, **kwargs)
        else:
            result = method(input_value, **self._arguments(method, context, kwargs))
        return await result if inspect.isawaitable(result) else result

    def _stream(
        self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        method = self._method("stream")
        if method is None:
            return iterate_async(lambda: self._astream(input_value, context=context, **kwargs))
        produced = method(input_value, **self._arguments(method, context, kwargs))
        if hasattr(produced, "__aiter__"):
            return iterate_async(lambda: produced)
        return iter(_items(produced))

    async def _astream(
        self,
        input_value: Any,
        *,
        context: CallContext | None = None,
        native_events: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        events = self._method("aevents")
        method = events if native_events else self._method("astream")
        for_chunks = False
        if method is None and self._method("stream") is not None:
            pieces = iterate_in_thread(lambda: self._stream(input_value, context=context, **kwargs))
        elif (method := method or events) is not None:
            for_chunks = method == events and not native_events
            produced = method(input_value, **self._arguments(method, context, kwargs))
            pieces = _pieces(await produced if inspect.isawaitable(produced) else produced)
        else:
            raise TacticUnsupportedError(f"`{self.tactic_name}` does not support streaming.")
        async for piece in pieces:
            # Whoever asked for chunks and gets events reads what they carry.
            yield piece.data if for_chunks and isinstance(piece, TacticEvent) else piece

    def aevents(
        self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> AsyncIterator[TacticEvent]:
        """Call the tactic and iterate over its events; the object's own events are passed on.

        Args:
            input_value: As for `run`.
            context: As for `run`.
            **kwargs: Passed to the object.
        """
        if "events" in self.capabilities():
            kwargs["native_events"] = True
        return super().aevents(input_value, context=context, **kwargs)

    def _method(self, *names: str) -> Callable[..., Any] | None:
        return next((method for name in names if callable(method := getattr(self.native, name, None))), None)

    def _arguments(
        self, method: Callable[..., Any], context: CallContext | None, kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {**copy_boundary(self.run_kwargs), **kwargs}
        if context is None:
            return arguments
        is_tactic = isinstance(self.native, Tactic)
        named, takes_any = _keywords(method)
        if is_tactic or "context" in named or takes_any:
            arguments.setdefault("context", context)
        # A tactic takes metadata for its session when it is an agent group; a typed one has no use for it.
        takes_metadata = (
            self.native.agent_group is not None if is_tactic else "metadata" in named or takes_any
        )
        if self.include_context_metadata and takes_metadata:
            arguments.setdefault("metadata", _context_metadata(context))
        return arguments


def _checked_kwargs(value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError("run_kwargs must be a mapping.")
    if not all(isinstance(key, str) for key in value):
        raise TypeError("run_kwargs keys must be strings.")
    return dict(value)


def _first(given: Any, native: Any, *names: str) -> Any:
    if given is not None:
        return given
    return next((found for name in names if (found := getattr(native, name, None)) is not None), None)


def _name(native: Any) -> str:
    found = native.tactic_name if isinstance(native, Tactic) else getattr(native, "name", None)
    return found if isinstance(found, str) and found else type(native).__name__


def _description(native: Any) -> str:
    if isinstance(native, Tactic):
        return native.info().description
    found = getattr(native, "description", None)
    if isinstance(found, str) and found:
        return found
    return inspect.cleandoc(type(native).__dict__.get("__doc__") or "")


def _keywords(method: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    """Return the names that a method takes by keyword, and whether it takes any."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return frozenset(), False
    by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    named = frozenset(each.name for each in parameters if each.kind in by_name)
    return named, any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)


def _context_metadata(context: CallContext) -> dict[str, Any]:
    metadata = dict(copy_boundary(context.metadata))
    for name in _CONTEXT_FIELDS:
        value = getattr(context, name)
        if value:
            metadata.setdefault(f"lllm_{name}", value)
    return metadata


async def _pieces(produced: Any) -> AsyncIterator[Any]:
    if hasattr(produced, "__aiter__"):
        async for piece in produced:
            yield piece
        return
    for piece in _items(produced):
        yield piece


def _items(produced: Any) -> Iterable[Any]:
    return produced if isinstance(produced, Iterable) and not isinstance(produced, _SINGLE) else (produced,)

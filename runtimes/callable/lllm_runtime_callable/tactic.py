"""Tactics around Python callables."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import MethodWrapperType
from typing import Any, Self

from lllm import CallContext, Tactic, TacticEvent
from lllm_runtime_callable.signature import read_signature, speaker


class CallableTactic(Tactic[Any, Any]):
    """A tactic that calls a Python callable.

    What the callable says about itself is read once: its annotations become the tactic's types, its
    docstring the description, and it is handed the context when it takes one. Keyword arguments of a call
    are handed on. A generator function makes a tactic that streams.

    Args:
        fn: Any callable.
        name: Name of the tactic; the callable's `__name__` when it is not given, else `callable`.
        description: What it does; the callable's own docstring when it is not given.
        input_type: Schema of the input; the annotation of the first parameter when it is not given.
        output_type: Schema of the output; the return annotation when it is not given.
        package_ref: Tactic ref of the package it belongs to.
        service_ref: Ref or URL of the service that offers it.
        examples: Examples for `info()`.
        metadata: Metadata for `info()`.

    Raises:
        TypeError: `fn` is not callable.
    """

    def __new__(cls, fn: Callable[..., Any], **_options: Any) -> Self:
        """Return an instance of the class that fits the callable: streaming ones have their own."""
        kind: type[Any] = cls
        if cls is CallableTactic and callable(fn):
            target = speaker(fn)
            if inspect.isasyncgenfunction(target):
                kind = AsyncGeneratorTactic
            elif inspect.isgeneratorfunction(target):
                kind = GeneratorTactic
        made: Self = super().__new__(kind)
        return made

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        input_type: Any = None,
        output_type: Any = None,
        package_ref: str | None = None,
        service_ref: str | None = None,
        examples: list[dict[str, Any]] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(fn):
            raise TypeError(f"`fn` must be callable, got {type(fn).__name__}.")
        self.fn = fn
        self._signature = read_signature(fn)
        self.input_type = self._signature.input_type if input_type is None else input_type
        self.output_type = self._signature.output_type if output_type is None else output_type
        super().__init__(
            name=getattr(fn, "__name__", "callable") if name is None else name,
            description=_docstring(fn) if description is None else description,
            package_ref=package_ref,
            service_ref=service_ref,
            examples=examples,
            metadata=metadata,
        )

    @property
    def blocking(self) -> bool:
        """Whether the callable does its work in the thread that calls it."""
        return not self._signature.is_async

    def _call(self, value: Any, context: CallContext | None, keywords: dict[str, Any]) -> Any:
        arguments, named = self._signature.arguments(value, context)
        return self.fn(*arguments, **named, **keywords)

    def _run(self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any) -> Any:
        return self._call(input_value, context, kwargs)

    async def _arun(self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any) -> Any:
        if self._signature.is_async:
            return await self._call(input_value, context, kwargs)
        return await super()._arun(input_value, context=context, **kwargs)


class GeneratorTactic(CallableTactic):
    """A tactic that streams what a generator function yields.

    What the function returns, unless that is None, ends the stream as an event of kind `result`. `run`
    answers with the data of the stream's `result` event, or with the list of chunks when there is none.
    """

    def _run(self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any) -> Any:
        return _answer(list(self._stream(input_value, context=context, **kwargs)))

    def _stream(
        self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        result = yield from self._call(input_value, context, kwargs)
        if result is not None:
            yield TacticEvent.result(result)


class AsyncGeneratorTactic(CallableTactic):
    """A tactic that streams what an async generator function yields; `run` as for `GeneratorTactic`."""

    def _run(self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any) -> Any:
        return self._arun(input_value, context=context, **kwargs)

    async def _arun(self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any) -> Any:
        return _answer([chunk async for chunk in self._call(input_value, context, kwargs)])

    def _astream(
        self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        chunks: AsyncIterator[Any] = self._call(input_value, context, kwargs)
        return chunks


def _answer(chunks: list[Any]) -> Any:
    """Return the final result of a stream, or all of its chunks when it names none."""
    for chunk in reversed(chunks):
        if isinstance(chunk, TacticEvent) and chunk.kind == "result":
            return chunk.data
    return chunks


def _docstring(fn: Callable[..., Any]) -> str:
    """Return a callable's own docstring; the one that Python gives to every `__call__` says nothing."""
    target = speaker(fn)
    return "" if isinstance(target, MethodWrapperType) else inspect.cleandoc(target.__doc__ or "")

"""Fallback: the first tactic that succeeds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from lllm import DeadlineExceeded, Tactic
from lllm.context import CallContext
from lllm_wrappers.wrapper import Wrapper, aclose, check_wrapped

__all__ = ["FallbackTactic", "fallback"]


class FallbackTactic(Wrapper, register=False):
    """Several tactics of which the next one is called when one fails.

    Types, refs and examples are those of the first. A stream falls back only until its first chunk. When all fail,
    the last error is raised with the ones before it as notes.

    Args:
        *tactics: The tactics in order, at least one.
        on: Exception classes to fall back on.
        name: Name instead of `<first name>_fallback`.
    """

    def __init__(
        self,
        *tactics: Tactic[Any, Any],
        on: tuple[type[Exception], ...] = (Exception,),
        name: str | None = None,
    ) -> None:
        if not tactics:
            raise ValueError("fallback() needs at least one tactic.")
        self.tactics = tuple(check_wrapped(tactic) for tactic in tactics)
        self.on = on
        super().__init__(tactics[0], "fallback", name=name)

    def capabilities(self) -> set[str]:
        """Return what every one of the tactics can do."""
        return set.intersection(*(tactic.capabilities() for tactic in self.tactics))

    def _parts(self) -> tuple[Tactic[Any, Any], ...]:
        return self.tactics

    def _run(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        failures: list[Exception] = []
        for tactic in self.tactics:
            try:
                return tactic.run(input_value, context=context, **kwargs)
            except self.on as error:
                self._next(failures, error, context)
        raise AssertionError("unreachable: the last failure is raised")

    async def _arun(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        failures: list[Exception] = []
        for tactic in self.tactics:
            try:
                return await tactic.arun(input_value, context=context, **kwargs)
            except self.on as error:
                self._next(failures, error, context)
        raise AssertionError("unreachable: the last failure is raised")

    def _stream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Iterator[Any]:
        failures: list[Exception] = []
        begun = False
        for tactic in self.tactics:
            try:
                for chunk in tactic.stream(input_value, context=context, **kwargs):
                    begun = True
                    yield chunk
                return
            except self.on as error:
                if begun:
                    raise
                self._next(failures, error, context)

    def _astream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._first("astream", input_value, context, kwargs)

    def _aevents(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._first("aevents", input_value, context, kwargs)

    async def _first(
        self, method: str, input_value: Any, context: CallContext, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        failures: list[Exception] = []
        begun = False
        for tactic in self.tactics:
            chunks: Any = None
            try:
                chunks = getattr(tactic, method)(input_value, context=context, **kwargs)
                async for chunk in chunks:
                    begun = True
                    yield chunk
                return
            except self.on as error:
                if begun:
                    raise
                self._next(failures, error, context)
            finally:
                await aclose(chunks)

    def _next(self, failures: list[Exception], error: Exception, context: CallContext) -> None:
        """Go on to the next tactic, or raise when there is none, or no time for it."""
        done = len(failures) + 1 == len(self.tactics)
        if done or isinstance(error, DeadlineExceeded) or context.cancelled:
            for tactic, failure in zip(self.tactics, failures, strict=False):
                error.add_note(
                    f"before, `{tactic.tactic_name}` failed with {type(failure).__name__}: {failure}"
                )
            raise error
        failures.append(error)


def fallback(*tactics: Tactic[Any, Any], **options: Any) -> FallbackTactic:
    """Return a tactic that calls the next one when one fails.

    Args:
        *tactics: The tactics in order.
        **options: Arguments of `FallbackTactic`.
    """
    return FallbackTactic(*tactics, **options)

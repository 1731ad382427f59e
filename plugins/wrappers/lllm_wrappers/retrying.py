"""Retry: call again after a failure, with growing pauses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from random import uniform
from typing import Any

from lllm import BudgetExceeded, DeadlineExceeded, SchemaError, Tactic, TacticUnsupportedError
from lllm.context import CallContext
from lllm_wrappers.numbers import check_count, check_seconds
from lllm_wrappers.wrapper import Wrapper, aclose

__all__ = ["RetryTactic", "retry"]

_FINAL = (SchemaError, TacticUnsupportedError, BudgetExceeded, DeadlineExceeded)
"""Failures that another try cannot mend."""

_PASSING = frozenset({408, 409, 425, 429})
"""Statuses of refusals that pass: too slow, a conflict, too early, too often."""


class RetryTactic(Wrapper, register=False):
    """A tactic that is called again when it fails.

    The pause before try n is `backoff * 2 ** (n - 2)` seconds, at most `max_backoff`, shortened at random by up to
    half; an error with a `retry_after` in seconds is given at least that time. Bad input, missing capabilities, spent
    budgets or deadlines and what a service refuses (401, 403, 404 and their like) are never retried. A stream is
    only retried until its first chunk.

    Args:
        tactic: The tactic inside.
        attempts: Tries in all, at least 1.
        backoff: Seconds before the second try.
        max_backoff: Most seconds before any try.
        on: Exception classes to retry on.
        name: Name instead of `<inner name>_retry`.
    """

    def __init__(
        self,
        tactic: Tactic[Any, Any],
        *,
        attempts: int = 3,
        backoff: float = 0.1,
        max_backoff: float = 30.0,
        on: tuple[type[Exception], ...] = (Exception,),
        name: str | None = None,
    ) -> None:
        self.attempts = check_count(attempts, "attempts")
        self.backoff = check_seconds(backoff, "backoff")
        self.max_backoff = check_seconds(max_backoff, "max_backoff")
        self.on = on
        super().__init__(tactic, "retry", name=name)

    def _run(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        attempt = 1
        while True:
            try:
                return self.tactic.run(input_value, context=context, **kwargs)
            except self.on as error:
                time.sleep(self._pause(error, attempt, context))
            attempt += 1

    async def _arun(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        attempt = 1
        while True:
            try:
                return await self.tactic.arun(input_value, context=context, **kwargs)
            except self.on as error:
                await asyncio.sleep(self._pause(error, attempt, context))
            attempt += 1

    def _stream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Iterator[Any]:
        attempt, begun = 1, False
        while True:
            try:
                for chunk in self.tactic.stream(input_value, context=context, **kwargs):
                    begun = True
                    yield chunk
                return
            except self.on as error:
                if begun:
                    raise
                time.sleep(self._pause(error, attempt, context))
            attempt += 1

    def _astream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._retried(self.tactic.astream, input_value, context, kwargs)

    def _aevents(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._retried(self.tactic.aevents, input_value, context, kwargs)

    async def _retried(
        self, source: Any, input_value: Any, context: CallContext, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        attempt, begun = 1, False
        while True:
            chunks: Any = None
            try:
                chunks = source(input_value, context=context, **kwargs)
                async for chunk in chunks:
                    begun = True
                    yield chunk
                return
            except self.on as error:
                if begun:
                    raise
                await asyncio.sleep(self._pause(error, attempt, context))
            finally:
                await aclose(chunks)
            attempt += 1

    def _pause(self, error: Exception, attempt: int, context: CallContext) -> float:
        """Return the seconds to wait, or raise the error when no further try is due."""
        if attempt >= self.attempts or _is_final(error) or context.cancelled:
            raise error
        pause = min(self.backoff * 2.0 ** (attempt - 1), self.max_backoff) * uniform(0.5, 1.0)
        asked = getattr(error, "retry_after", None)
        if isinstance(asked, (int, float)):
            pause = max(pause, float(asked))
        remaining = context.remaining
        if remaining is not None and pause >= remaining:
            raise error
        return pause


def _is_final(error: Exception) -> bool:
    """Tell whether another try cannot mend a failure; a service that refuses a call says so in its status."""
    status = getattr(error, "status_code", None)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in _PASSING
    return refused or isinstance(error, _FINAL)


def retry(tactic: Tactic[Any, Any], **options: Any) -> RetryTactic:
    """Return a tactic that is called again when it fails.

    Args:
        tactic: The tactic inside.
        **options: Arguments of `RetryTactic`.
    """
    return RetryTactic(tactic, **options)

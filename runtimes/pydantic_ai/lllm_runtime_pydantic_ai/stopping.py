"""Ending a run when its caller no longer waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import CancellationToken

from lllm.context import CallContext
from lllm.errors import DeadlineExceeded
from lllm_runtime_pydantic_ai.agent_facts import Accepted
from lllm_runtime_pydantic_ai.errors import AgentCancelled

__all__ = ["stopped_with_caller"]

_LOOK_EVERY = 0.05
"""Seconds between two looks at whether the caller has gone."""


@asynccontextmanager
async def stopped_with_caller(
    context: CallContext, arguments: dict[str, Any], accepted: Accepted
) -> AsyncIterator[None]:
    """Hand the deadline and the cancellation of a call to the run inside the block.

    The library's own means are used where its release has them: they keep what the run had done so far in the
    exception. Otherwise the task is cancelled.

    Args:
        context: The context of the call.
        arguments: Arguments of the run; a time limit and a cancellation token are added.
        accepted: What the agent's method takes.

    Raises:
        DeadlineExceeded: The deadline passed.
        AgentCancelled: The caller has gone.
    """
    limit = asyncio.timeout(_seconds_to_keep(context, arguments, accepted))
    try:
        async with limit:
            watch = _Watch(context, _way_to_stop(limit, arguments, accepted))
            try:
                yield
            finally:
                watch.close()
    except TimeoutError as error:
        if not limit.expired():
            raise
        if context.bounded and (context.remaining or 0.0) <= 0:
            raise DeadlineExceeded("The deadline of the call has passed.") from error
        raise AgentCancelled("The caller of the agent has gone.") from error


def _seconds_to_keep(context: CallContext, arguments: dict[str, Any], accepted: Accepted) -> float | None:
    """Leave the deadline to the library if it can keep one; return what is left for us to keep."""
    remaining = context.remaining
    if remaining is None or "timeout" not in accepted:
        return remaining
    own = arguments.get("timeout")
    arguments["timeout"] = remaining if own is None else min(own, remaining)
    return None


def _way_to_stop(limit: asyncio.Timeout, arguments: dict[str, Any], accepted: Accepted) -> Callable[[], None]:
    # A token that the user handed in may belong to other runs as well, so it is never used up here.
    if "cancellation_token" in accepted and arguments.get("cancellation_token") is None:
        token = arguments["cancellation_token"] = CancellationToken()
        return token.cancel
    return lambda: limit.reschedule(asyncio.get_running_loop().time())


class _Watch:
    """Looks at a context now and then, and stops the run once when the caller has gone."""

    def __init__(self, context: CallContext, stop: Callable[[], None]) -> None:
        self._context = context
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_later(_LOOK_EVERY, self._look)

    def close(self) -> None:
        """Stop looking."""
        self._handle.cancel()

    def _look(self) -> None:
        if self._context.cancelled:
            self._stop()
        else:
            self._handle = self._loop.call_later(_LOOK_EVERY, self._look)

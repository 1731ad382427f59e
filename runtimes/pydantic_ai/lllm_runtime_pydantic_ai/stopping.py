"""Ending a run when its caller no longer waits."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai import CancellationToken

from lllm.context import CallContext
from lllm.errors import DeadlineExceeded
from lllm_runtime_pydantic_ai.agent_facts import Accepted
from lllm_runtime_pydantic_ai.errors import AgentCancelled
from lllm_runtime_pydantic_ai.rounds import Rounds, rounds_here

__all__ = ["CallerWatch"]


class CallerWatch:
    """Hands the deadline and the cancellation of a call to a run.

    The library's own means are used where its release has them: they keep what the run had done so far in the
    exception. Otherwise the task is cancelled. A run that a durable execution engine keeps gets a time limit and is
    not watched.

    Args:
        context: The context of the call.
        arguments: Arguments of the run; a time limit and a cancellation token are added.
        accepted: What the agent's method takes.
        kept: Whether an engine keeps the run.
    """

    def __init__(
        self, context: CallContext, arguments: dict[str, Any], accepted: Accepted, *, kept: bool = False
    ) -> None:
        self._context = context
        self._limit: asyncio.Timeout | None = None
        self._rounds: Rounds | None = None
        ours = _seconds_to_keep(context, arguments, accepted)
        # A token that the user handed in may belong to other runs as well, so it is never used up here.
        if "cancellation_token" in accepted and arguments.get("cancellation_token") is None:
            token = arguments["cancellation_token"] = CancellationToken()
            self._stop = token.cancel
            if ours is not None:
                self._limit = asyncio.timeout(ours)
        else:
            self._limit = asyncio.timeout(ours)
            self._stop = self._expire
        if not kept:
            self._rounds = rounds_here()
            self._rounds.add(self._look)

    async def begin(self) -> None:
        """Begin to keep what the library does not keep itself."""
        if self._limit is not None:
            await self._limit.__aenter__()

    async def end(self, error: BaseException | None) -> BaseException | None:
        """Stop looking, and return what the run ended with.

        Args:
            error: What it raised, or None.

        Returns:
            The same, or the tactic error that stands for the end that was put to the run here.
        """
        if self._rounds is not None:
            self._rounds.discard(self._look)
        if self._limit is None:
            return error
        trace = None if error is None else error.__traceback__
        try:
            await self._limit.__aexit__(None if error is None else type(error), error, trace)
        except TimeoutError as expired:
            stopped: BaseException = AgentCancelled("The caller of the agent has gone.")
            if self._context.bounded and (self._context.remaining or 0.0) <= 0:
                stopped = DeadlineExceeded("The deadline of the call has passed.")
            stopped.__cause__ = expired
            return stopped
        return error

    def _expire(self) -> None:
        assert self._limit is not None
        self._limit.reschedule(asyncio.get_running_loop().time())

    def _look(self) -> None:
        if self._context.cancelled:
            assert self._rounds is not None
            self._rounds.discard(self._look)
            self._stop()


def _seconds_to_keep(context: CallContext, arguments: dict[str, Any], accepted: Accepted) -> float | None:
    """Leave the deadline to the library if it can keep one; return what is left for us to keep."""
    remaining = context.remaining
    if remaining is None or "timeout" not in accepted:
        return remaining
    own = arguments.get("timeout")
    arguments["timeout"] = remaining if own is None else min(own, remaining)
    return None

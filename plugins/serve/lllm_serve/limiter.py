"""How many may run at once, how many may wait for that, and what the next one is told."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

__all__ = ["Full", "Limiter"]


class Full(Exception):
    """As many run as may, and as many wait as may."""


class Limiter:
    """Lets a number of callers run at once and a number of others wait, in order.

    It belongs to one event loop.

    Args:
        running: Most that run at once; None: any number.
        waiting: Most that wait.
    """

    __slots__ = ("_queue", "active", "running", "waiting")

    def __init__(self, running: int | None, waiting: int) -> None:
        self.running = running
        self.waiting = waiting
        self.active = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._queue)

    async def enter(self) -> None:
        """Take a place, waiting for one when it must; `leave` gives it back.

        Raises:
            Full: Nobody else may wait.
        """
        if self.running is None or (self.active < self.running and not self._queue):
            self.active += 1
            return
        if len(self._queue) >= self.waiting:
            raise Full
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # the place came in the same moment
            with suppress(ValueError):  # `leave` may have passed it over already
                self._queue.remove(turn)
            raise

    def leave(self) -> None:
        """Give a place back; the first that waits gets it."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.active -= 1

"""Finds out which requests take their time, at no cost for those that do not.

A timer for each request would cost more than reading it. One timer looks at all that have come since.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any, Protocol

__all__ = ["LATE_SECONDS", "LateWatch", "Watched"]

LATE_SECONDS = 0.02
"""Age at which a request is late."""

_PERIOD = 0.01


class Watched(Protocol):
    """What can be late."""

    def be_late(self) -> None:
        """Be told so; called on the loop."""


class LateWatch:
    """Tells each request that is not answered soon."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self) -> None:
        # In order of arrival; what is answered leaves at once, or the garbage collector would keep looking at it.
        self._waiting: dict[Watched, float] = {}
        self._loop: Any = None

    def add(self, request: Watched) -> None:
        """Watch a request.

        Args:
            request: Something that begins now.
        """
        self._waiting[request] = monotonic() + LATE_SECONDS
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(LATE_SECONDS, self._look)

    def discard(self, request: Watched) -> None:
        """Watch a request no longer.

        Args:
            request: What has been answered.
        """
        self._waiting.pop(request, None)

    def _look(self) -> None:
        now = monotonic()
        while self._waiting:
            request, due = next(iter(self._waiting.items()))
            if due > now:
                self._loop.call_later(_PERIOD, self._look)
                return
            del self._waiting[request]
            request.be_late()
        self._loop = None

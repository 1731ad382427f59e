"""One timer for each event loop, which looks at every run that is under way.

A timer of its own for each run would cost more than all else that surrounds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

__all__ = ["Rounds", "rounds_here"]

_EVERY = 0.05
"""Seconds between two rounds."""


class Rounds:
    """Calls what is in it every 50 milliseconds, on the loop where it was put in; it rests while it is empty.

    It knows its loop only through the timer, so that a loop that is forgotten takes it along.
    """

    __slots__ = ("__weakref__", "_looks", "_under_way")

    def __init__(self) -> None:
        self._looks: set[Callable[[], None]] = set()
        self._under_way = False

    def add(self, look: Callable[[], None]) -> None:
        """Call a function in each round from now on.

        Args:
            look: The function; it takes no time and raises nothing.
        """
        self._looks.add(look)
        if not self._under_way:
            self._under_way = True
            asyncio.get_running_loop().call_later(_EVERY, self._go)

    def discard(self, look: Callable[[], None]) -> None:
        """Call a function no longer.

        Args:
            look: The function.
        """
        self._looks.discard(look)

    def _go(self) -> None:
        self._under_way = bool(self._looks)
        if self._under_way:
            asyncio.get_running_loop().call_later(_EVERY, self._go)
        for look in tuple(self._looks):
            look()


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Rounds] = WeakKeyDictionary()


def rounds_here() -> Rounds:
    """Return the rounds of the running loop."""
    loop = asyncio.get_running_loop()
    rounds = _of_loops.get(loop)
    if rounds is None:
        rounds = _of_loops[loop] = Rounds()
    return rounds

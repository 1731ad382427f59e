"""Waking those who wait for a store to change: at once inside a process, by a cheap look across processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import TypeVar
from weakref import WeakSet

__all__ = ["POLL_SECONDS", "Signal", "wait_for"]

POLL_SECONDS = 0.05
"""How often a waiting call looks whether another process has changed the store."""

T = TypeVar("T")

_signals: WeakSet[Signal] = WeakSet()
_registered: list[bool] = []


class Signal:
    """A counter of local changes that can be waited on. Usable in the child after a fork."""

    def __init__(self) -> None:
        self.renew()
        if not _registered:
            os.register_at_fork(after_in_child=_renew_all)
            _registered.append(True)
        _signals.add(self)

    def renew(self) -> None:
        """Forget every waiter; a forked child must not wait for a lock that its parent holds."""
        self._condition = Condition()
        self._waiters = 0
        self.count = 0

    def notify(self) -> None:
        """Wake everybody who waits."""
        # One that waits has registered before it looked at the count, so it is either seen here or sees this.
        self.count += 1
        if self._waiters:
            with self._condition:
                self._condition.notify_all()

    def wait(self, seen: int, timeout: float) -> bool:
        """Wait until the count differs from `seen`, and tell whether it does.

        Args:
            seen: A count that was read before.
            timeout: How long to wait, in seconds.
        """
        with self._condition:
            self._waiters += 1
            try:
                return self._condition.wait_for(lambda: self.count != seen, timeout)
            finally:
                self._waiters -= 1


def wait_for(
    signal: Signal,
    stamp: Callable[[], object],
    look: Callable[[], tuple[T, float | None]],
    timeout: float,
) -> T:
    """Look for something until it is there or the time is over.

    Args:
        signal: What local writers notify.
        stamp: Returns a value that differs once any process has written.
        look: Returns what was found, falsy for nothing, and after how many seconds to look again even if
            nothing changes, None for never.
        timeout: How long to wait, in seconds.

    Returns:
        What the last look found.
    """
    deadline = monotonic() + timeout
    while True:
        # Both marks are taken before the look, so that no change slips between them.
        seen, mark = signal.count, stamp()
        found, again = look()
        left = deadline - monotonic()
        if found or left <= 0:
            return found
        retry = deadline if again is None else min(deadline, monotonic() + again)
        while not signal.wait(seen, max(0.0, min(POLL_SECONDS, retry - monotonic()))):
            if monotonic() >= retry or stamp() != mark:
                break


def _renew_all() -> None:
    for signal in list(_signals):
        signal.renew()

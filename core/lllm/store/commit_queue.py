"""Group commit: writers that arrive while another commits share the next commit.

The first writer leads: it commits its own request. Writers that arrive meanwhile wait, each on a lock of its
own; when the commit is done, the first of them leads the next group, which is all that wait by then. One
flush pays for a whole group, and nobody waits much longer than two commits.

Threads that were served together usually come back together, a little apart. If the first to come led at
once, it would flush for itself alone while the others wait, so it gives them a moment.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["CommitQueue", "Request"]

_LARGEST_GROUP = 256
_LONGEST_MOMENT = 0.001
_LOOK_SECONDS = 0.00005


class Request:
    """One unit of work on its way through the queue.

    Args:
        work: What to do inside the transaction; it may run again after a failed commit.
        durable: Whether the commit must be flushed to the disk before the caller goes on.
    """

    __slots__ = ("durable", "error", "result", "settled", "wake", "work")

    def __init__(self, work: Callable[[Any], Any], durable: bool) -> None:
        self.work = work
        self.durable = durable
        self.settled = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.wake: threading.Lock | None = None

    def succeed(self, result: Any) -> None:
        """Settle the request with what its work returned."""
        self.result = result
        self.settled = True

    def fail(self, error: BaseException) -> None:
        """Settle the request with the error that its caller gets."""
        self.error = error
        self.settled = True


class CommitQueue:
    """Lets one thread at a time commit, for itself and for those that wait.

    Whoever holds the lock `_leader` leads. It is handed over without being released while somebody waits.

    Args:
        commit: Settles every request of a group; what it leaves unsettled is tried again by the next leader.
    """

    def __init__(self, commit: Callable[[list[Request]], None]) -> None:
        self._commit = commit
        self._leader = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._served = 1
        self._took = 0.0

    def submit(self, request: Request) -> None:
        """Return when the request is settled.

        Args:
            request: A new request.
        """
        if not self._leader.acquire(blocking=False) and not self._lead_after_waiting(request):
            return
        group = [request]
        try:
            if request.durable and self._served > 1:
                self._gather()
            group = self._group_of(request)
            start = time.perf_counter()
            self._commit(group)
            self._served, self._took = len(group), time.perf_counter() - start
        finally:
            self._leave(group)

    def _gather(self) -> None:
        """Let those come who were served last time, for no longer than half of a commit."""
        end = time.perf_counter() + min(self._took / 2, _LONGEST_MOMENT)
        while len(self._waiting) + 1 < self._served and time.perf_counter() < end:
            time.sleep(_LOOK_SECONDS)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every commit out of a block."""
        request = Request(_nothing, durable=False)
        if not self._leader.acquire(blocking=False):
            self._lead_after_waiting(request)
        request.settled = True
        try:
            yield
        finally:
            self._leave([request])

    def _lead_after_waiting(self, request: Request) -> bool:
        """Wait until the request is settled (False), or this thread has to lead (True)."""
        wake = request.wake = threading.Lock()
        wake.acquire()
        self._waiting.append(request)
        # The leader may have looked for waiting requests just before this one came.
        if self._leader.acquire(blocking=False):
            self._hand_over()
        try:
            wake.acquire()
        except BaseException:
            self._withdraw(request, wake)
            raise
        return not request.settled

    def _withdraw(self, request: Request, wake: threading.Lock) -> None:
        """Take back the request of a thread that was interrupted while it waited."""
        try:
            self._waiting.remove(request)
        except ValueError:
            # A leader has taken it, or has made it the next leader: that has to come to its end.
            wake.acquire()
            if not request.settled:
                self._hand_over()

    def _group_of(self, request: Request) -> list[Request]:
        group = [request]
        waiting = self._waiting
        while waiting and len(group) < _LARGEST_GROUP and waiting[0].work is not _nothing:
            group.append(waiting.popleft())
        return group

    def _leave(self, group: list[Request]) -> None:
        for request in reversed(group[1:]):
            if not request.settled:
                self._waiting.appendleft(request)
        self._hand_over()
        for request in group[1:]:
            if request.settled and request.wake is not None:
                request.wake.release()

    def _hand_over(self) -> None:
        """Give the lead to the first that waits, or to nobody; the caller holds it."""
        while True:
            try:
                successor = self._waiting.popleft()
            except IndexError:
                self._leader.release()
                # One may have come between the look and the release, and seen the lead still taken.
                if self._waiting and self._leader.acquire(blocking=False):
                    continue
                return
            if successor.wake is not None:
                successor.wake.release()
            return


def _nothing(_: Any) -> None:
    """Stand for the work of a thread that wants the queue for itself."""

"""Group commit: writers that arrive while another commits share the next commit.

The first writer leads: it commits its own request and whatever is waiting. Writers that arrive meanwhile
wait, each on a lock of its own; when the commit is done, the first of them leads the next group. One
flush then pays for a whole group, and nobody waits longer than two commits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["CommitQueue", "Request"]

_LARGEST_GROUP = 256


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

    Args:
        commit: Settles every request of a group; what it leaves unsettled is tried again by the next leader.
    """

    def __init__(self, commit: Callable[[list[Request]], None]) -> None:
        self._commit = commit
        self._mutex = threading.Lock()
        self._led = False
        self._waiting: deque[Request] = deque()

    def submit(self, request: Request) -> None:
        """Return when the request is settled.

        Args:
            request: A new request.
        """
        group = self._enter(request)
        if group is None:
            return
        try:
            self._commit(group)
        finally:
            self._leave(group)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every commit out of a block."""
        request = Request(_nothing, durable=False)
        group = self._enter(request, alone=True)
        request.settled = True
        try:
            yield
        finally:
            self._leave(group or [request])

    def _enter(self, request: Request, *, alone: bool = False) -> list[Request] | None:
        """Return the group that this thread has to commit, or None when the request was settled."""
        with self._mutex:
            if not self._led:
                self._led = True
                return [request]
            wake = request.wake = threading.Lock()
            wake.acquire()
            self._waiting.append(request)
        try:
            wake.acquire()
        except BaseException:
            self._withdraw(request, wake)
            raise
        if request.settled:
            return None
        return [request] if alone else self._group_of(request)

    def _withdraw(self, request: Request, wake: threading.Lock) -> None:
        """Take back the request of a thread that was interrupted while it waited."""
        with self._mutex:
            if request in self._waiting:
                self._waiting.remove(request)
                return
        # A leader has taken it, or has made it the next leader: that has to come to its end.
        wake.acquire()
        if not request.settled:
            self._hand_over()

    def _group_of(self, request: Request) -> list[Request]:
        group = [request]
        with self._mutex:
            while self._waiting and len(group) < _LARGEST_GROUP:
                if self._waiting[0].work is _nothing:
                    break
                group.append(self._waiting.popleft())
        return group

    def _leave(self, group: list[Request]) -> None:
        unsettled = [request for request in group[1:] if not request.settled]
        if unsettled:
            with self._mutex:
                self._waiting.extendleft(reversed(unsettled))
        self._hand_over()
        for request in group[1:]:
            if request.settled and request.wake is not None:
                request.wake.release()

    def _hand_over(self) -> None:
        with self._mutex:
            if not self._waiting:
                self._led = False
                return
            successor = self._waiting.popleft()
        if successor.wake is not None:
            successor.wake.release()


def _nothing(_: Any) -> None:
    """Stand for the work of a thread that wants the queue for itself."""

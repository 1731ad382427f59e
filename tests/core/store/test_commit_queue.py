"""Threads that commit share commits: who leads, who is waited for, and that nobody is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from lllm.store import commit_queue
from lllm.store.commit_queue import CommitQueue, Request

SHORT = 0.001


class Clock:
    """The clock of the queue: it stands still but for commits, and tells when the queue pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses = 0
        self.on_pause: Callable[[], None] = lambda: None

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses += 1
        self.on_pause()


class Commits:
    """Commits groups, notes their sizes, and can be held in the middle of one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sizes: list[int] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, group: list[Request]) -> None:
        self.entered.set()
        self.go_on.wait()
        self.sizes.append(len(group))
        self._clock.now += 1.0
        for request in group:
            request.succeed(request.work(None))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock of the queue."""
    clock = Clock()
    monkeypatch.setattr(
        commit_queue, "time", SimpleNamespace(perf_counter=clock.perf_counter, sleep=clock.sleep)
    )
    return clock


def request(*, durable: bool = True) -> Request:
    """Return a request whose work says so."""
    return Request(lambda _: "done", durable)


def submit_in_thread(queue: CommitQueue, *, waiting: int) -> threading.Thread:
    """Submit a request in a thread and return once so many wait behind the leader."""
    thread = threading.Thread(target=queue.submit, args=(request(),))
    thread.start()
    while len(queue._waiting) < waiting:
        time.sleep(SHORT)
    return thread


def serve_two_together(queue: CommitQueue, commits: Commits) -> None:
    """Commit once for one request, then once for two that came meanwhile."""
    commits.go_on.clear()
    threads = [threading.Thread(target=queue.submit, args=(request(),))]
    threads[0].start()
    commits.entered.wait()
    threads += [submit_in_thread(queue, waiting=1), submit_in_thread(queue, waiting=2)]
    commits.go_on.set()
    for thread in threads:
        thread.join()
    assert commits.sizes == [1, 2]


def test_requests_that_arrive_during_a_commit_share_the_next(clock: Clock) -> None:
    """One commit serves everybody who waits."""
    commits = Commits(clock)
    serve_two_together(CommitQueue(commits), commits)


def test_the_first_to_come_back_waits_for_those_served_with_it(clock: Clock) -> None:
    """After a shared commit, the first request of the next one gives the others a moment."""
    commits = Commits(clock)
    queue = CommitQueue(commits)
    serve_two_together(queue, commits)
    threads: list[threading.Thread] = []
    clock.on_pause = lambda: threads.append(submit_in_thread(queue, waiting=1))
    queue.submit(request())
    for thread in threads:
        thread.join()
    assert commits.sizes == [1, 2, 2]
    assert clock.pauses == 1


def test_the_moment_ends_when_nobody_comes(clock: Clock) -> None:
    """A request is committed alone when the others do not come back in time, and the next one at once."""
    commits = Commits(clock)
    queue = CommitQueue(commits)
    serve_two_together(queue, commits)

    def pass_time() -> None:
        clock.now += 0.0004

    clock.on_pause = pass_time
    queue.submit(request())
    assert clock.pauses == 3
    queue.submit(request())
    assert clock.pauses == 3
    assert commits.sizes == [1, 2, 1, 1]


def test_a_commit_without_a_flush_waits_for_nobody(clock: Clock) -> None:
    """There is little to share where nothing is flushed."""
    commits = Commits(clock)
    queue = CommitQueue(commits)
    serve_two_together(queue, commits)
    queue.submit(request(durable=False))
    assert clock.pauses == 0


def test_an_interrupt_while_waiting_for_others_leaves_the_queue_usable(clock: Clock) -> None:
    """The lead is given back, and the interrupted request is not committed."""
    commits = Commits(clock)
    queue = CommitQueue(commits)
    serve_two_together(queue, commits)

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.on_pause = interrupt
    with pytest.raises(KeyboardInterrupt):
        queue.submit(request())
    threads: list[threading.Thread] = []
    clock.on_pause = lambda: threads.append(submit_in_thread(queue, waiting=1))
    last = request()
    queue.submit(last)
    for thread in threads:
        thread.join()
    assert last.result == "done"

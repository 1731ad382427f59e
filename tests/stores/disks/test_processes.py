"""Several processes on one store: what they append, what they hand out, and how they die."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from lllm.store import BackendStore

Child = Callable[..., "subprocess.Popen[str]"]

APPEND = """
import sys
store = Store(sys.argv[1])
for number in range(int(sys.argv[2])):
    print(store.append_event({"channel": "raw", "payload": number}).cursor, flush=True)
"""
CONSUME = """
import sys
store = Store(sys.argv[1])
while batch := (store.lease("w", limit=7) if sys.argv[2] == "lease" else store.pull_subscription("w", limit=7)):
    if sys.argv[2] == "lease":
        store.ack(batch)
        batch = [delivery.event for delivery in batch]
    for event in batch:
        print(event.cursor)
"""


def test_appends_of_several_processes_are_dense(store: BackendStore, imported: str, child: Child) -> None:
    """Each acknowledged cursor belongs to one process, and none is missing."""
    children = [child(imported + APPEND, store.root, 60) for _ in range(5)]
    outputs = [process.communicate(timeout=60) for process in children]
    cursors = [int(line) for output, _ in outputs for line in output.split()]
    assert sorted(cursors) == list(range(1, 301)), outputs
    assert [event.cursor for event in store.query_events("raw", limit=1000)] == list(range(1, 301))
    assert store.check(deep=True).ok


@pytest.mark.parametrize("how", ["lease", "pull"])
def test_competing_consumers_share_without_duplicates(
    store: BackendStore, imported: str, child: Child, how: str
) -> None:
    """Every event is handed to one process, once."""
    store.append_events({"channel": "raw"} for _ in range(1000))
    store.create_subscription("raw", subscription_id="w")
    children = [child(imported + CONSUME, store.root, how) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in children]
    cursors = [int(line) for output, _ in outputs for line in output.split()]
    assert sorted(cursors) == list(range(1, 1001)), outputs
    assert store.get_subscription("w").cursor == 1000


def test_nothing_acknowledged_is_lost_to_kill(store: BackendStore) -> None:
    """In 20 rounds of kill -9 while appending, every reported cursor is there, and the channel stays dense."""
    for _ in range(20):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            while True:
                os.write(writing, b"%d\n" % (store.append_event({"channel": "raw"}).cursor or 0))
        os.close(writing)
        time.sleep(random.uniform(0.01, 0.06))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(reading) as pipe:
            acknowledged = [int(line) for line in pipe if line.endswith("\n")]
        if acknowledged:
            assert acknowledged[-1] <= store.head("raw") <= acknowledged[-1] + 1
    assert [event.cursor for event in store.iter_events("raw")] == list(range(1, store.head("raw") + 1))
    assert store.head("raw") > 20
    assert store.check(deep=True).ok


def test_an_append_elsewhere_wakes_a_waiting_reader(store: BackendStore, imported: str, child: Child) -> None:
    """Another process is noticed within a moment."""
    process = child(imported + APPEND, store.root, 1)
    assert [event.cursor for event in store.wait_events("raw", after_cursor=0, timeout=30)] == [1]
    process.communicate(timeout=30)


def in_child(work: Callable[[], object]) -> int:
    """Run a function in a forked child and return its exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_store_survives_a_fork(store: BackendStore) -> None:
    """Child and parent go on with the same object, and see each other's events."""
    assert store.append_event({"channel": "raw"}).cursor == 1

    def work() -> None:
        assert store.head("raw") == 1
        assert [store.append_event({"channel": "raw"}).cursor for _ in range(50)] == list(range(2, 52))

    assert in_child(work) == 0
    assert store.append_event({"channel": "raw"}).cursor == 52
    assert store.check(deep=True).ok


def test_parent_and_child_append_at_once(store: BackendStore) -> None:
    """After a fork both have files and locks of their own."""
    pid = os.fork()
    if pid == 0:
        for _ in range(100):
            store.append_event({"channel": "raw"})
        os._exit(0)
    for _ in range(100):
        store.append_event({"channel": "raw"})
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert [event.cursor for event in store.query_events("raw", limit=1000)] == list(range(1, 201))
    assert store.check(deep=True).ok


def test_a_child_that_closes_leaves_the_parent_alone(store: BackendStore) -> None:
    """The child's end takes neither the parent's files nor its lock."""
    store.append_event({"channel": "raw"})
    assert in_child(store.close) == 0
    assert store.append_event({"channel": "raw"}).cursor == 2
    with type(store)(store.root) as other:
        assert other.head("raw") == 2


def test_a_fork_while_threads_write_loses_nothing(store: BackendStore) -> None:
    """A fork waits for the commit that runs; the child is not held up by threads that it does not have."""
    stop = threading.Event()
    acknowledged: list[int] = []

    def append() -> None:
        while not stop.is_set():
            acknowledged.append(store.append_event({"channel": "raw"}).cursor or 0)

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert in_child(lambda: store.append_event({"channel": "out"})) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert store.head("out") == 5
    assert sorted(acknowledged) == list(range(1, store.head("raw") + 1))

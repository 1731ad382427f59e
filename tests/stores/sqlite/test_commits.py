"""One flush for each commit, commits shared by threads, and a log that stays small."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import subprocess
import threading
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from lllm.errors import ChannelNotFoundError, EventConflictError
from lllm.store import BackendStore
from lllm_store_sqlite import SQLiteStore, checkpoints
from lllm_store_sqlite.backend import SQLiteBackend
from lllm_store_sqlite.connections import Database

Child = Callable[..., "subprocess.Popen[str]"]

COUNTED = """
import sys
from lllm_store_sqlite import SQLiteStore, checkpoints
store = SQLiteStore(sys.argv[1])
store.append_event({"channel": "raw"})
subscription = store.create_subscription("raw").id
print("begin", flush=True)
for _ in range(20):
    {work}
print("end", flush=True)
"""


def flushes(child: Child, root: Path, work: str, trace: Path) -> float:
    """Return how many flushes one repetition of a work makes, counted from outside."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    calls = "trace=fsync,fdatasync,write"
    prefix = ("strace", "-f", "-qq", "-o", str(trace), "-e", calls)
    process = child(COUNTED.replace("{work}", work), root, prefix=prefix)
    output, errors = process.communicate(timeout=60)
    if "ptrace" in errors:
        pytest.skip("this machine does not allow tracing")
    assert output == "begin\nend\n", errors
    lines = trace.read_text().splitlines()
    begin, end = (next(i for i, line in enumerate(lines) if f'"{word}' in line) for word in ("begin", "end"))
    return sum("sync(" in line for line in lines[begin:end]) / 20


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ('store.append_event({"channel": "raw"})', 1),
        ('store.append_events([{"channel": "raw"}] * 50)', 1),
        ("store.lease(subscription, limit=1)", 0),
        ("store.pull_subscription(store.create_subscription('raw', start='end').id)", 1),
        ("store.pull_subscription(subscription); store.query_events('raw')", 0.05),
        (
            'store.append_event({"channel": "raw"}); store.commit('
            'acks=store.lease(subscription, limit=1), events=[{"channel": "out"}])',
            2,
        ),
    ],
)
def test_flushes_are_counted(
    store: SQLiteStore, child: Child, tmp_path: Path, work: str, expected: float
) -> None:
    """A commit flushes once, a lease and a caught-up pull never."""
    store.close()
    assert flushes(child, store.root, work, tmp_path / "trace") == expected


def test_threads_share_commits(store: SQLiteStore) -> None:
    """Appends of many threads need fewer commits than events, and are dense."""
    commits: list[int] = []
    queue = store._backend._access.queue
    commit = queue._commit

    def counting(group: list[object]) -> None:
        commits.append(len(group))
        commit(group)

    queue._commit = counting
    cursors: list[int] = []

    def append() -> None:
        for _ in range(25):
            cursors.append(store.append_event({"channel": "raw"}).cursor or 0)

    threads = [threading.Thread(target=append) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(cursors) == list(range(1, 201))
    assert sum(commits) == 200
    assert len(commits) < 200


def test_a_failure_in_a_shared_commit_is_its_callers_alone(store: SQLiteStore) -> None:
    """One thread's conflict neither undoes nor delays what the others append."""
    store.append_event({"channel": "raw", "id": "taken", "payload": 1})
    failures: list[Exception] = []

    def fail(channel: str, error: type[Exception]) -> None:
        for _ in range(30):
            try:
                store.append_events([{"channel": "out"}, {"channel": channel, "id": "taken", "payload": 2}])
            except error as caught:
                failures.append(caught)

    def succeed() -> None:
        for _ in range(30):
            store.append_event({"channel": "raw"})

    threads = [
        threading.Thread(target=fail, args=("raw", EventConflictError)),
        threading.Thread(target=fail, args=("missing", ChannelNotFoundError)),
        *(threading.Thread(target=succeed) for _ in range(4)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 60
    assert store.head("out") == 0
    assert [event.cursor for event in store.query_events("raw", limit=1000)] == list(range(1, 122))


def test_the_log_has_space_ahead(store: SQLiteStore) -> None:
    """A few commits on, the log is longer than what was written, and the rest of it counts as empty."""
    for _ in range(50):
        store.append_event({"channel": "raw"})
    log = store.db_path.with_name("sssn.sqlite-wal")
    assert log.stat().st_size > 1_000_000
    assert log.read_bytes().endswith(bytes(500_000))
    stranger = sqlite3.connect(store.db_path)
    assert stranger.execute("SELECT count(*) FROM recent").fetchone() == (50,)
    stranger.execute("INSERT INTO meta VALUES ('stranger', 1)")
    stranger.commit()
    stranger.close()
    assert store.append_event({"channel": "raw"}).cursor == 51
    assert store.check(deep=True).ok


def test_a_log_without_durability_grows_as_it_must(directory: Path) -> None:
    """Space ahead only helps those who flush."""
    with SQLiteStore(directory, durability="os") as store:
        store.create_channel({"name": "raw"})
        for _ in range(50):
            store.append_event({"channel": "raw"})
        assert directory.joinpath("sssn.sqlite-wal").stat().st_size < 1_000_000


def test_the_log_stays_small(store: SQLiteStore) -> None:
    """Thousands of commits are folded into the database on the way."""
    for _ in range(60):
        store.append_events({"channel": "raw", "payload": "x" * 1000} for _ in range(200))
    log = store.db_path.with_name("sssn.sqlite-wal")
    assert store.db_path.stat().st_size > 12_000_000
    assert log.stat().st_size < 12_000_000
    assert store.stats()["log_bytes"] == log.stat().st_size


def test_a_reader_that_stays_bounds_the_log_once_it_leaves(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that had to grow is cut when it begins anew, for which readers are waited for."""
    monkeypatch.setattr(checkpoints, "_MOST_PAGES", 5000)
    stranger = sqlite3.connect(store.db_path, isolation_level=None)
    stranger.execute("BEGIN")
    stranger.execute("SELECT count(*) FROM events").fetchone()
    log = store.db_path.with_name("sssn.sqlite-wal")
    while log.stat().st_size < 40_000_000:
        store.append_events({"channel": "raw", "payload": "x" * 4000} for _ in range(300))
    stranger.execute("COMMIT")
    stranger.close()
    for _ in range(10):
        store.append_events({"channel": "raw", "payload": "x" * 4000} for _ in range(300))
    assert log.stat().st_size < 40_000_000


def test_descriptors_stay_few_without_the_garbage_collector(store: SQLiteStore) -> None:
    """Whatever is done, by however many threads, a store holds at most ten descriptors."""
    before = len(os.listdir("/proc/self/fd"))
    gc.disable()
    try:
        subscription = store.create_subscription("raw").id

        def use() -> None:
            for _ in range(100):
                event = store.append_event({"channel": "raw"})
                store.get_event(event.id)
                store.query_events("raw", limit=1)
                store.ack(store.lease(subscription, limit=1))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(os.listdir("/proc/self/fd")) <= before + 10
        stores = [SQLiteStore(store.root) for _ in range(3)]
        for other in stores:
            other.list_channels()
            other.close()
    finally:
        gc.enable()
    store.close()
    assert len(os.listdir("/proc/self/fd")) < before


def test_a_store_that_is_dropped_is_closed(directory: Path) -> None:
    """Without `close`, the last reference that goes takes the descriptors along, collector or not."""
    before = len(os.listdir("/proc/self/fd"))
    gc.disable()
    try:
        store = SQLiteStore(directory)
        store.create_channel({"name": "raw"})
        store.list_channels()
        del store
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()


def test_low_disk_is_reported_before_it_is_full(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says once how little is left, and again after there was more."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**7, 10**7))
    for _ in range(20):
        store.append_events({"channel": "raw", "payload": "x" * 1000} for _ in range(1000))
    warnings = [record.getMessage() for record in caplog.records if "MiB are free" in record.getMessage()]
    assert warnings == [f"only 9 MiB are free for the store at {store.root}"]
    assert store.stats()["free_bytes"] == 10**7


@pytest.fixture
def without_shared_memory(directory: Path) -> BackendStore:
    """Return a store on a file system layer that cannot share memory, as network file systems cannot."""
    directory.mkdir()
    database = Database(directory / "sssn.sqlite", 5.0, "disk", read_only=False, vfs="unix-dotfile")
    store = BackendStore(SQLiteBackend(database, blobs=None, create=True))
    store.create_channel({"name": "raw"})
    return store


def test_where_a_log_is_impossible_a_journal_is_used(without_shared_memory: BackendStore) -> None:
    """The store works the same, and says what it does."""
    store = without_shared_memory
    assert store._backend.stats()["journal"] == "rollback"
    for number in range(1, 200):
        assert store.append_event({"channel": "raw"}).cursor == number
    subscription = store.create_subscription("raw").id
    deliveries = store.lease(subscription, limit=10)
    assert store.commit(acks=deliveries, events=[{"channel": "raw"}]).acked == 10
    assert len(store.query_events("raw", limit=1000)) == 200
    assert store._backend.check(deep=True) == []
    store.close()

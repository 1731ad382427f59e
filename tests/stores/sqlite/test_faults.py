"""Disks that fail to flush or flip bytes; programs in the way."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from lllm.errors import SSSNError, StoreBusyError, StoreReadOnlyError
from lllm.store.process_lock import ProcessLock
from lllm_store_sqlite import SQLiteStore


class FailingConnection:
    """A connection whose commits fail to flush."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: object) -> object:
        if statement == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return self._connection.execute(statement, *values)


def test_reads_go_on_after_a_failed_flush(store: SQLiteStore) -> None:
    """Only writes are refused, each with the reason."""
    store.append_event({"channel": "raw"})
    writer = store._backend._access.committer._writer
    writer.connection = FailingConnection(writer.connection)
    writer.execute = writer.connection.execute
    for _ in range(2):
        with pytest.raises(SSSNError):
            store.append_event({"channel": "raw"})
    with pytest.raises(StoreReadOnlyError, match=r"flushing .* failed"):
        store.append_events([{"channel": "raw"}])
    assert store.head("raw") == 1
    assert "flushing" in store.stats()["problem"]


def test_the_lock_of_a_busy_process_is_waited_for(directory: Path) -> None:
    """A writer gives up after the timeout with an error that says so, and goes on once it can."""
    with SQLiteStore(directory, timeout=0.05) as store:
        store.create_channel({"name": "raw"})
        with ProcessLock(directory / "sssn.lock", 1.0) as lock:
            started = time.monotonic()
            with pytest.raises(StoreBusyError, match=r"^Store is busy: .*another process"):
                store.append_event({"channel": "raw"})
            assert 0.05 <= time.monotonic() - started < 1.0
            assert store.query_events("raw") == ()
        assert store.append_event({"channel": "raw"}).cursor == 1
        lock.close()


def test_another_program_in_a_transaction_is_waited_for(directory: Path) -> None:
    """A program that does not know our lock is waited for too, up to the timeout."""
    with SQLiteStore(directory, timeout=0.05) as store:
        store.create_channel({"name": "raw"})
        stranger = sqlite3.connect(store.db_path, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match=r"^Store is busy: ") as caught:
            store.append_event({"channel": "raw"})
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        stranger.execute("ROLLBACK")
        stranger.close()
        assert store.append_event({"channel": "raw"}).cursor == 1


def flipped(path: Path, needle: bytes, replacement: bytes) -> None:
    """Change bytes of a file, wherever they stand."""
    data = path.read_bytes()
    assert needle in data
    path.write_bytes(data.replace(needle, replacement))


@pytest.mark.parametrize("replacement", [b"Secret", b"secre\xff"])
@pytest.mark.parametrize("count", [1, 200])
def test_a_changed_byte_costs_one_event_and_no_more(directory: Path, replacement: bytes, count: int) -> None:
    """A damaged event is skipped, never returned with other content; `check` tells."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_event({"channel": "raw", "id": "damaged", "payload": "secret"})
        store.append_events({"channel": "raw", "payload": number} for number in range(count))
    flipped(directory / "sssn.sqlite", b'["secret"]', b'["' + replacement + b'"]')
    with SQLiteStore(directory) as store:
        assert [event.payload for event in store.query_events("raw", limit=1000)] == list(range(count))
        with pytest.raises(SSSNError, match="damaged"):
            store.get_event("damaged")
        assert not store.check().ok
        assert store.append_event({"channel": "raw"}).cursor == count + 2


def test_a_changed_kind_is_noticed(directory: Path) -> None:
    """The seal of an event covers more than its payload."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_event({"channel": "raw", "kind": "original"})
    flipped(directory / "sssn.sqlite", b"original", b"0riginal")
    with SQLiteStore(directory) as store:
        assert store.query_events("raw") == ()
        assert not store.check().ok


def test_a_damaged_page_is_a_named_error(directory: Path) -> None:
    """A file that SQLite cannot read is reported by `check` and by reads, as one of our errors."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_events({"channel": "raw", "payload": "x" * 200} for _ in range(2000))
    data = bytearray((directory / "sssn.sqlite").read_bytes())
    for page in range(40, len(data) // 4096):
        data[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    (directory / "sssn.sqlite").write_bytes(data)
    with SQLiteStore(directory) as store:
        with pytest.raises(SSSNError, match="damaged"):
            store.query_events("raw", limit=10_000)
        assert store._backend.check(deep=True)

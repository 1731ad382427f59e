"""Commits shared by threads, stores found by URL, and contents moved between backends."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from lllm.errors import ChannelNotFoundError
from lllm.store import MemoryStore, open_store
from lllm_store_file import FileStore

sqlite = pytest.importorskip("lllm_store_sqlite")


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with every flush of the log."""
    seen: list[int] = []
    flush = os.fdatasync

    def counted(descriptor: int) -> None:
        seen.append(descriptor)
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    return seen


def test_one_flush_for_each_commit(store: FileStore, flushes: list[int]) -> None:
    """An append, a batch and a commit cost one flush each; a lease and a read cost none."""
    store.append_event({"channel": "raw"})
    assert len(flushes) == 1
    store.append_events({"channel": "raw"} for _ in range(50))
    assert len(flushes) == 2
    store.create_subscription("raw", subscription_id="work")
    assert len(flushes) == 3
    leased = store.lease("work", limit=5)
    store.query_events("raw")
    assert len(flushes) == 3
    store.commit(acks=leased, events=[{"channel": "out"}])
    assert len(flushes) == 4


def test_less_durable_stores_do_not_flush(directory: Path, flushes: list[int]) -> None:
    """With durability `os` nothing waits for the disk, and the level is shown."""
    with FileStore(directory, durability="os") as store:
        store.create_channel({"name": "raw"})
        store.append_event({"channel": "raw"})
        assert flushes == []
        assert store.stats()["durability"] == "os"


def test_threads_share_flushes(store: FileStore, flushes: list[int]) -> None:
    """Appends of many threads are dense, a failing one among them hurts nobody, and flushes are shared."""
    cursors: list[int] = []
    failures: list[Exception] = []

    def append() -> None:
        for number in range(20):
            cursors.append(store.append_event({"channel": "raw"}).cursor or 0)
            if number % 5 == 0:
                try:
                    store.append_events([{"channel": "raw"}, {"channel": "missing"}])
                except ChannelNotFoundError as error:
                    failures.append(error)

    threads = [threading.Thread(target=append) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(cursors) == list(range(1, 321))
    assert len(failures) == 64
    assert len(flushes) < 320
    with FileStore(store.root) as again:
        assert [event.cursor for event in again.iter_events("raw")] == list(range(1, 321))
        assert again.check(deep=True).ok


def test_the_url_and_the_marker_find_the_store(directory: Path) -> None:
    """`file:` opens a new store, and afterwards the directory alone does."""
    with open_store(f"file:{directory}") as store:
        assert isinstance(store, FileStore)
        store.create_channel({"name": "raw"})
    with open_store(directory) as store:
        assert isinstance(store, FileStore)
        assert store.head("raw") == 0


def test_contents_move_to_sqlite_and_back(store: FileStore, tmp_path: Path) -> None:
    """Ids, cursors, revisions and bytes are the same behind each backend."""
    store.append_events({"channel": "raw", "payload": number} for number in range(30))
    store.set_retention("raw", max_events=20)
    store.apply_retention()
    store.put_snapshot({"name": "state", "value": 1})
    store.put_snapshot({"name": "state", "value": 2})
    store.create_subscription("raw", subscription_id="work")
    store.ack(store.lease("work", limit=3))
    artifact = store.write_artifact(b"bytes")
    exports = []
    source = store
    with sqlite.SQLiteStore(tmp_path / "sqlite") as there, FileStore(tmp_path / "back") as back:
        for target in (there, back, MemoryStore()):
            text = io.StringIO()
            source.export(text)
            exports.append(text.getvalue())
            target.import_(io.StringIO(text.getvalue()))
            source = target
        assert back.head("raw") == 30
        assert back.first_cursor("raw") == 11
        assert back.get_snapshot("state").revision == 2
        assert back.read_artifact(artifact.id) == b"bytes"
        assert back.query_events("raw", limit=50) == store.query_events("raw", limit=50)
    assert exports[0] == exports[1] == exports[2]

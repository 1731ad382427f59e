"""Checkpoints, segments and compaction: they change how fast a store opens, never what it says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lllm_store_file import FileStore


def filled(directory: Path, count: int = 60) -> list[str]:
    """Make a store of many small segments and return the ids of its events."""
    with FileStore(directory, segment_bytes=2048) as store:
        store.create_channel({"name": "raw"})
        store.create_channel({"name": "out"})
        store.create_subscription("raw", subscription_id="work")
        store.put_snapshot({"name": "state", "value": 1})
        ids: list[str] = []
        for number in range(count):
            fields = {"channel": "raw" if number % 3 else "out", "payload": number, "parent_ids": ids[-1:]}
            if number % 2:
                fields |= {"id": f"given-{number}", "kind": f"kind-{number % 4}"}
                fields |= {"correlation_id": f"episode-{number % 5}"}
            ids.append(store.append_event(fields).id)
        store.ack(store.lease("work", limit=7))
        return ids


def contents(store: FileStore, ids: list[str]) -> list[object]:
    """Return what a store says to every kind of question."""
    return [
        store.query_events("raw", limit=1000),
        store.query_events("out", limit=1000, reverse=True),
        store.query_events("raw", limit=1000, kind="kind-1"),
        store.query_events("raw", limit=1000, correlation_id="episode-1", after_cursor=5),
        store.get_events(ids),
        [store.children(each) for each in ids],
        store.trace("episode-3"),
        store.get_subscription("work"),
        store.lag("work").undelivered,
        store.get_snapshot("state"),
        store.head("raw"),
    ]


def test_an_index_says_what_the_log_says(directory: Path) -> None:
    """Without its checkpoint a store answers the same, and the next close writes a new one."""
    ids = filled(directory)
    with FileStore(directory) as store:
        answers = contents(store, ids)
        assert len(list((directory / "state").iterdir())) > 5
    shutil.rmtree(directory / "state")
    with FileStore(directory, read_only=True) as store:
        assert contents(store, ids) == answers
    (directory / "state").mkdir()
    with FileStore(directory) as store:
        assert contents(store, ids) == answers
        assert store.check(deep=True).ok


@pytest.mark.parametrize("place", [20, -3])
def test_a_damaged_index_is_not_believed(directory: Path, place: int) -> None:
    """A flipped byte in any index, in its head or in its numbers, costs time only."""
    ids = filled(directory)
    with FileStore(directory) as store:
        answers = contents(store, ids)
    for path in (directory / "state").iterdir():
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)
        with FileStore(directory) as store:
            assert contents(store, ids) == answers
            assert store.append_event({"channel": "out", "id": ids[1]} | repeated(store, ids[1])).id == ids[1]


def repeated(store: FileStore, event_id: str) -> dict[str, object]:
    """Return the fields of a stored event, to append it once more."""
    return store.get_event(event_id).model_dump(by_alias=True, exclude={"cursor"})


def test_removed_events_give_their_bytes_back(directory: Path) -> None:
    """Retention deletes and rewrites segments; what is kept reads the same, here and after opening again."""
    filled(directory, 150)
    with FileStore(directory, segment_bytes=2048) as store, FileStore(directory) as other:
        assert other.head("raw") == 100
        before = store.stats()["log_bytes"]
        kept = store.query_events("raw", limit=5, reverse=True)
        others = store.query_events("out", limit=1000)
        store.set_retention("raw", max_events=5, keep_unfinished=False)
        assert store.apply_retention("raw").removed_events == 95
        assert store.stats()["log_bytes"] < before
        for view in (store, other):
            assert view.query_events("raw", limit=1000, reverse=True) == kept
            assert view.query_events("out", limit=1000) == others
            assert view.first_cursor("raw") == 96
        assert store.append_event({"channel": "raw"}).cursor == 101
        assert other.append_event({"channel": "raw"}).cursor == 102
    with FileStore(directory) as store:
        assert store.query_events("out", limit=1000) == others
        assert store.first_cursor("raw") == 96
    shutil.rmtree(directory / "state")
    (directory / "state").mkdir()
    with FileStore(directory) as store:
        assert store.query_events("out", limit=1000) == others
        assert store.head("raw") == 102
        assert store.get_snapshot("state").value == 1


def test_a_store_keeps_few_descriptors(directory: Path) -> None:
    """However many segments there are, reading all of them keeps a handful open."""
    ids = filled(directory)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with FileStore(directory) as store:
        contents(store, ids)
        assert len(list(Path("/proc/self/fd").iterdir())) - before <= 10
    assert len(list(Path("/proc/self/fd").iterdir())) == before

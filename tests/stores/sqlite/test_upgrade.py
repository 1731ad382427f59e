"""Stores that the reference (sssn 0.1) wrote are upgraded when they are opened."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lllm.errors import StoreBusyError, StoreFormatError
from lllm_store_sqlite import SQLiteStore
from lllm_store_sqlite.upgrade import COPY_SUFFIX

TABLES = """
CREATE TABLE channels (name text primary key, schema_ref text, form text not null, description text not null,
    metadata text not null);
CREATE TABLE events (id text primary key, channel text not null, timestamp real not null, source text,
    kind text not null, payload text, schema_ref text, metadata text not null, correlation_id text,
    parent_ids text not null);
CREATE TABLE subscriptions (id text primary key, channel text not null, cursor integer not null, consumer text,
    batch_size integer not null, filters text not null, metadata text not null);
CREATE TABLE artifacts (id text primary key, channel text, path text not null, media_type text not null,
    size integer not null, sha256 text, metadata text not null, event_ids text not null);
CREATE TABLE snapshots (name text primary key, channel text, timestamp real not null, value text,
    schema_ref text, source_event_id text, metadata text not null);
"""
SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def event(connection: sqlite3.Connection, name: str, channel: str, **columns: object) -> None:
    """Insert an event as the reference did: JSON with blanks, cursors from the rows of all channels."""
    row = {
        "timestamp": 1000.5,
        "source": None,
        "kind": "event",
        "payload": "null",
        "schema_ref": None,
        "metadata": "{}",
        "correlation_id": None,
        "parent_ids": "[]",
        **columns,
    }
    connection.execute(
        f"INSERT INTO events(id, channel, {', '.join(row)}) VALUES (?, ?{', ?' * len(row)})",
        (name, channel, *row.values()),
    )


@pytest.fixture
def reference(directory: Path) -> sqlite3.Connection:
    """Return a connection to a database of the reference with two channels and six interleaved events."""
    (directory / "artifacts").mkdir(parents=True)
    connection = sqlite3.connect(directory / "sssn.sqlite", isolation_level=None)
    connection.executescript(TABLES)
    connection.execute("INSERT INTO channels VALUES ('raw', 'S', 'queue', 'd', '{\"a\": 1}')")
    connection.execute("INSERT INTO channels VALUES ('out', NULL, 'log', '', '{}')")
    for number in range(6):
        event(
            connection,
            f"e{number}",
            "raw" if number % 2 == 0 else "out",
            payload=json.dumps({"n": number, "t": "é"}),
            source="x",
            kind="message",
            schema_ref="S",
            metadata='{"k": null}',
            correlation_id="c",
            parent_ids=json.dumps([f"e{number - 1}"] if number else []),
        )
    return connection


def test_events_get_dense_cursors_in_their_old_order(reference: sqlite3.Connection, directory: Path) -> None:
    """Each channel counts from 1; ids, timestamps, content and lineage stay."""
    reference.close()
    with SQLiteStore(directory) as store:
        assert [(event.id, event.cursor) for event in store.query_events("raw")] == [
            ("e0", 1),
            ("e2", 2),
            ("e4", 3),
        ]
        assert [event.id for event in store.query_events("out")] == ["e1", "e3", "e5"]
        found = store.get_event("e2")
        assert found.model_dump() == {
            "id": "e2",
            "cursor": 2,
            "channel": "raw",
            "timestamp": 1000.5,
            "source": "x",
            "kind": "message",
            "payload": {"n": 2, "t": "é"},
            "schema_ref": "S",
            "metadata": {"k": None},
            "correlation_id": "c",
            "parent_ids": ("e1",),
        }
        assert [event.id for event in store.children("e2")] == ["e3"]
        assert [event.id for event in store.trace("c")] == [f"e{number}" for number in range(6)]
        assert store.get_channel("raw").model_dump(by_alias=True) == {
            "name": "raw",
            "schema": "S",
            "form": "queue",
            "description": "d",
            "metadata": {"a": 1},
        }
        assert store.append_event({"channel": "raw"}).cursor == 4
        assert store.check(deep=True).ok


def test_a_repeated_event_of_the_reference_is_the_same_event(
    reference: sqlite3.Connection, directory: Path
) -> None:
    """Content is compared in today's JSON form."""
    reference.close()
    with SQLiteStore(directory) as store:
        same = store.get_event("e4")
        assert store.append_event(same) == same


@pytest.mark.parametrize(("old", "new"), [(0, 0), (1, 1), (2, 1), (3, 2), (5, 3), (6, 3)])
def test_subscriptions_stand_behind_as_many_events_as_before(
    reference: sqlite3.Connection, directory: Path, old: int, new: int
) -> None:
    """A cursor becomes the number of events of its channel at or below the old one."""
    reference.execute(
        "INSERT INTO subscriptions VALUES ('w', 'raw', ?, 'p', 2, '{\"kind\": \"message\"}', '{\"m\": 1}')",
        (old,),
    )
    reference.close()
    with SQLiteStore(directory) as store:
        subscription = store.get_subscription("w")
        assert subscription.cursor == new
        assert (subscription.consumer, subscription.batch_size) == ("p", 2)
        assert (subscription.filters, subscription.metadata) == ({"kind": "message"}, {"m": 1})
        expected = ["e0", "e2", "e4"][new : new + 2]
        assert [event.id for event in store.pull_subscription("w")] == expected


def test_artifacts_and_snapshots_move_too(reference: sqlite3.Connection, directory: Path) -> None:
    """Records keep their ids; snapshots begin with revision 1."""
    (directory / "artifacts" / SHA256).write_bytes(b"hello")
    reference.execute(
        "INSERT INTO artifacts VALUES ('a', 'raw', ?, 'text/plain', 5, ?, '{\"r\": 1}', '[\"e0\"]')",
        (f"artifacts/{SHA256}", SHA256),
    )
    reference.execute(
        "INSERT INTO snapshots VALUES ('s', 'raw', 2.0, '{\"a\": null}', 'S', 'e0', '{\"z\": null}')"
    )
    reference.close()
    with SQLiteStore(directory) as store:
        assert store.read_artifact("a") == b"hello"
        assert [artifact.id for artifact in store.artifacts_for("e0")] == ["a"]
        assert store.get_artifact("a").metadata == {"r": 1}
        snapshot = store.get_snapshot("s")
        assert (snapshot.value, snapshot.revision, snapshot.timestamp) == ({"a": None}, 1, 2.0)
        assert (snapshot.schema, snapshot.source_event_id, snapshot.metadata) == ("S", "e0", {"z": None})
        assert store.put_snapshot({"name": "s"}, expected_revision=1).revision == 2


def test_poisoned_events_are_kept_and_skipped(reference: sqlite3.Connection, directory: Path) -> None:
    """What the reference let in and nobody can read holds nothing up, and is counted."""
    event(reference, "surrogate", "raw", payload='"\\ud800"')
    event(reference, "endless", "raw", timestamp=float("inf"))
    event(reference, "broken", "raw", payload="{")
    event(reference, "fine", "raw", payload="1")
    reference.close()
    with SQLiteStore(directory) as store:
        assert [event.id for event in store.query_events("raw", after_cursor=3)] == ["fine"]
        assert store.get_event("fine").cursor == 7
        assert not store.check().ok


def test_no_payload_is_null(reference: sqlite3.Connection, directory: Path) -> None:
    """A missing payload reads as None, as it did."""
    event(reference, "none", "raw", payload=None)
    reference.close()
    with SQLiteStore(directory) as store:
        assert store.get_event("none").payload is None


def test_a_copy_stays_beside_the_upgraded_database(reference: sqlite3.Connection, directory: Path) -> None:
    """The copy is what the reference wrote, and opening again upgrades nothing again."""
    reference.close()
    for _ in range(2):
        with SQLiteStore(directory) as store:
            assert store.head("raw") == 3
    copy = sqlite3.connect(directory / f"sssn.sqlite{COPY_SUFFIX}")
    assert copy.execute("SELECT id FROM events ORDER BY rowid").fetchall() == [(f"e{n}",) for n in range(6)]
    assert copy.execute("PRAGMA user_version").fetchone() == (0,)
    copy.close()


def test_an_upgrade_that_fails_changes_nothing(
    reference: sqlite3.Connection, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole upgrade is one transaction."""
    reference.close()
    monkeypatch.setattr("lllm_store_sqlite.upgrade._move_snapshots", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        SQLiteStore(directory)
    monkeypatch.undo()
    with SQLiteStore(directory) as store:
        assert store.head("raw") == 3


def test_an_upgrade_waits_for_the_reference(reference: sqlite3.Connection, directory: Path) -> None:
    """While the reference writes, opening is refused after the timeout."""
    reference.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match=r"^Store is busy: "):
        SQLiteStore(directory, timeout=0.05)
    reference.execute("ROLLBACK")
    reference.close()
    with SQLiteStore(directory, timeout=0.05) as store:
        assert store.head("raw") == 3


def test_without_leave_to_write_the_store_is_not_upgraded(
    reference: sqlite3.Connection, directory: Path
) -> None:
    """A read-only store says what to do."""
    reference.close()
    before = (directory / "sssn.sqlite").read_bytes()
    with (
        SQLiteStore(directory, read_only=True) as store,
        pytest.raises(StoreFormatError, match="without `read_only`"),
    ):
        store.list_channels()
    assert (directory / "sssn.sqlite").read_bytes() == before


UPGRADE = """
import sys
from lllm_store_sqlite import SQLiteStore
with SQLiteStore(sys.argv[1]) as store:
    print(store.append_event({"channel": "raw"}).cursor)
"""


def test_processes_that_open_at_once_upgrade_once(
    reference: sqlite3.Connection, directory: Path, child: Callable[..., subprocess.Popen[str]]
) -> None:
    """The lock between processes lets one upgrade and the other wait."""
    reference.close()
    children = [child(UPGRADE, directory) for _ in range(3)]
    cursors = [process.communicate(timeout=60) for process in children]
    assert sorted(output.strip() for output, _ in cursors) == ["4", "5", "6"], cursors

"""Events stand in an unindexed table first and move to the indexed one later; nobody can tell the difference."""

from __future__ import annotations

import pytest

from lllm.errors import EventConflictError
from lllm_store_sqlite import SQLiteStore


def tables(store: SQLiteStore) -> tuple[int, int]:
    """Return how many events are indexed, and how many are recent."""
    count = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM recent)"
    return store._backend.read(lambda reader: reader.execute(count).fetchone())


@pytest.fixture
def mixed(store: SQLiteStore) -> SQLiteStore:
    """Return a store whose channel `raw` has events 1 to 130: most of them indexed, a few recent."""
    for number in range(1, 131):
        store.append_event(
            {"channel": "raw", "id": f"e{number}", "payload": number, "kind": f"k{number % 3}"}
        )
    indexed, recent = tables(store)
    assert indexed > 0
    assert recent > 0
    assert indexed + recent == 130
    return store


def cursors(events: object) -> list[int]:
    return [event.cursor for event in events]


def test_a_query_runs_over_the_border(mixed: SQLiteStore) -> None:
    """A page that begins among indexed events ends among recent ones, without a gap."""
    assert cursors(mixed.query_events("raw", limit=1000)) == list(range(1, 131))
    assert cursors(mixed.query_events("raw", after_cursor=120, limit=9)) == list(range(121, 130))


def test_a_reversed_query_runs_over_the_border(mixed: SQLiteStore) -> None:
    """The newest events come first, then the indexed ones."""
    assert cursors(mixed.query_events("raw", reverse=True, limit=1000)) == list(range(130, 0, -1))
    assert cursors(mixed.query_events("raw", reverse=True, before_cursor=129, limit=3)) == [128, 127, 126]


def test_a_query_by_kind_runs_over_the_border(mixed: SQLiteStore) -> None:
    """The filter holds in both tables."""
    assert cursors(mixed.query_events("raw", kind="k0", limit=1000)) == list(range(3, 131, 3))


def test_events_are_found_by_id_in_both_tables(mixed: SQLiteStore) -> None:
    """The oldest and the newest event are found."""
    assert cursors(mixed.get_events(["e130", "e1", "e128"])) == [130, 1, 128]


def test_children_and_correlated_events_come_from_both_tables(store: SQLiteStore) -> None:
    """Lineage does not depend on how old a child is."""
    root = store.append_event({"channel": "raw"})
    for _ in range(130):
        store.append_event({"channel": "out", "parent_ids": (root.id,), "correlation_id": root.id})
    assert tables(store)[0] > 0
    assert cursors(store.children(root.id, limit=1000)) == list(range(1, 131))
    assert [event.channel for event in store.trace(root.id, limit=1000)] == ["raw"] + ["out"] * 130


@pytest.mark.parametrize("number", [1, 130])
def test_a_repeat_is_recognised_in_both_tables(mixed: SQLiteStore, number: int) -> None:
    """An id is unique, however old its event is."""
    event = {"channel": "raw", "id": f"e{number}", "payload": number, "kind": f"k{number % 3}"}
    assert mixed.append_event(event).cursor == number
    with pytest.raises(EventConflictError):
        mixed.append_event({**event, "payload": "other"})
    assert mixed.append_events([event, {"channel": "raw"}])[1].cursor == 131
    assert mixed.head("raw") == 131


def test_a_large_batch_keeps_the_order(mixed: SQLiteStore) -> None:
    """Recent events move before a batch that is indexed at once."""
    mixed.append_events({"channel": "raw", "payload": number} for number in range(131, 331))
    assert tables(mixed) == (330, 0)
    mixed.append_event({"channel": "raw", "payload": 331})
    assert [event.payload for event in mixed.query_events("raw", limit=1000)] == list(range(1, 332))


def test_large_payloads_are_indexed_at_once(mixed: SQLiteStore) -> None:
    """The recent table stays small enough to be read through."""
    mixed.append_event({"channel": "raw", "payload": "x" * 100_000})
    assert tables(mixed) == (131, 0)


def test_a_duplicate_leaves_nothing_of_its_batch(mixed: SQLiteStore) -> None:
    """A small batch with one conflict stores none of its events."""
    with pytest.raises(EventConflictError, match=r"^events\[2\]: "):
        mixed.append_events(
            [{"channel": "raw"}, {"channel": "out"}, {"channel": "raw", "id": "e130", "payload": "other"}]
        )
    assert (mixed.head("raw"), mixed.head("out")) == (130, 0)
    assert mixed.append_event({"channel": "raw"}).cursor == 131


def test_two_stores_on_one_directory_see_each_other(mixed: SQLiteStore) -> None:
    """What one remembers of the newest events is dropped once another has appended."""
    with SQLiteStore(mixed.root) as other:
        for cursor in range(131, 431, 2):
            assert other.append_event({"channel": "raw"}).cursor == cursor
            assert mixed.append_event({"channel": "raw"}).cursor == cursor + 1
        assert mixed.append_event({"channel": "raw", "id": "same", "payload": 1}).cursor == 431
        assert other.append_event({"channel": "raw", "id": "same", "payload": 1}).cursor == 431
    assert cursors(mixed.query_events("raw", limit=1000)) == list(range(1, 432))
    assert mixed.check(deep=True).ok


def test_retention_removes_from_both_tables(mixed: SQLiteStore) -> None:
    """Removal does not care where an event stands, and cursors go on."""
    mixed.set_retention("raw", max_events=0, keep_unfinished=False)
    assert mixed.apply_retention("raw").removed_events == 130
    assert (mixed.head("raw"), mixed.first_cursor("raw")) == (130, 131)
    assert mixed.append_event({"channel": "raw", "id": "e130", "payload": 130, "kind": "k1"}).cursor == 130
    assert mixed.append_event({"channel": "raw"}).cursor == 131

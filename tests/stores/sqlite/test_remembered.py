"""What the writer remembers of leased events is never more than what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lllm.errors import EventConflictError, EventNotFoundError, LeaseLostError
from lllm.store import Delivery
from lllm_store_sqlite import SQLiteStore
from lllm_store_sqlite.tables import runs


@pytest.fixture
def leased(store: SQLiteStore) -> tuple[Delivery, ...]:
    """Return deliveries of five events of `raw`, held by the subscription `worker`."""
    store.append_events([{"channel": "raw", "id": f"e{number}"} for number in range(1, 6)])
    store.create_subscription("raw", subscription_id="worker")
    return store.lease("worker", lease_seconds=3600)


@pytest.fixture
def other(store: SQLiteStore, directory: Path) -> Iterator[SQLiteStore]:
    """Return another connection to the same store, as another process has it."""
    with SQLiteStore(directory) as other:
        yield other


def remove_all(store: SQLiteStore) -> None:
    """Let retention remove every event of `raw` but the newest."""
    store.set_retention("raw", max_events=1, keep_unfinished=False)
    assert store.apply_retention("raw").removed_events == 4


@pytest.mark.usefixtures("leased")
def test_a_removed_event_is_no_parent(store: SQLiteStore) -> None:
    """An event that was leased and then removed cannot be named as a parent."""
    remove_all(store)
    with pytest.raises(EventNotFoundError):
        store.append_event({"channel": "out", "parent_ids": ["e1"]})


@pytest.mark.usefixtures("leased")
def test_an_event_that_another_removed_is_no_parent(store: SQLiteStore, other: SQLiteStore) -> None:
    """What another connection removed is not remembered either."""
    remove_all(other)
    with pytest.raises(EventNotFoundError):
        store.append_event({"channel": "out", "parent_ids": ["e1"]})


def test_a_leased_parent_is_linked(store: SQLiteStore, leased: tuple[Delivery, ...]) -> None:
    """Outputs of leased events, alone and in batches, are found from their parents."""
    first, *rest = leased
    outputs = [{"channel": "out", "parent_ids": [item.event.id]} for item in leased]
    store.commit(acks=[first], events=outputs[:1])
    store.commit(acks=rest, events=outputs[1:])
    assert [len(store.children(item.event.id)) for item in leased] == [1] * 5


def test_another_may_finish_what_was_leased_here(
    store: SQLiteStore, other: SQLiteStore, leased: tuple[Delivery, ...]
) -> None:
    """An ack through another connection counts, and here it is a repeat."""
    assert other.ack(leased) == 5
    assert store.ack(leased) == 5
    assert store.lag("worker").in_flight == 0


def test_another_may_take_a_lease_away(
    store: SQLiteStore, other: SQLiteStore, leased: tuple[Delivery, ...]
) -> None:
    """After a seek through another connection, no token from before is worth anything."""
    other.seek("worker", to="beginning")
    with pytest.raises(LeaseLostError):
        store.ack(leased[:1])


def test_a_failed_commit_forgets_nothing(store: SQLiteStore, leased: tuple[Delivery, ...]) -> None:
    """When its events are refused, the leases of a commit are held as before."""
    with pytest.raises(EventConflictError):
        store.commit(acks=leased, events=[{"channel": "raw", "id": "e1", "payload": "other"}])
    assert store.lag("worker").in_flight == 5
    assert store.ack(leased) == 5


def test_deliveries_are_finished_in_any_order(store: SQLiteStore, leased: tuple[Delivery, ...]) -> None:
    """Gaps stay: what was not acked is still held."""
    assert store.ack([leased[3], leased[0], leased[1]]) == 3
    assert store.get_subscription("worker").cursor == 2
    assert store.lag("worker").in_flight == 2
    assert store.ack([leased[4], leased[2]]) == 2
    assert store.get_subscription("worker").cursor == 5


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([], []), ([7], [(7, 7)]), ([3, 1, 2], [(1, 3)]), ([9, 1, 2, 5, 10], [(1, 2), (5, 5), (9, 10)])],
)
def test_runs_of_neighbours(numbers: list[int], expected: list[tuple[int, int]]) -> None:
    """Neighbours are named by the first and the last of them."""
    assert list(runs(numbers)) == expected

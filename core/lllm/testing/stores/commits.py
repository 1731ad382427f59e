"""Commits: inputs finished and outputs written together."""

from __future__ import annotations

from time import sleep
from typing import Any

import pytest

from lllm.errors import (
    ChannelNotFoundError,
    EventConflictError,
    InvalidPayloadError,
    LeaseLostError,
    SSSNError,
)
from lllm.store import Delivery, Snapshot, Store
from lllm.testing.stores.suite import Suite, fill, needs


class CommitTests(Suite):
    """`commit`."""

    @pytest.fixture
    def held(self, store: Store) -> tuple[Delivery, ...]:
        """Return three deliveries of the subscription `w`."""
        needs(store, "atomic_commit")
        fill(store, 3)
        store.create_subscription("raw", subscription_id="w")
        return store.lease("w", lease_seconds=60)

    def test_everything_happens_together(self, store: Store, held: tuple[Delivery, ...]) -> None:
        """The result says what was finished, appended and written."""
        result = store.commit(
            acks=held[0],
            events=[{"channel": "out", "payload": 1, "parent_ids": [held[0].event.id]}],
            snapshots=[Snapshot(name="latest", value=1), {"name": "other", "value": 2}],
        )
        assert result.acked == 1
        assert store.query_events("out") == result.events
        assert result.events[0].cursor == 1
        assert [snapshot.revision for snapshot in result.snapshots] == [1, 1]
        assert store.get_snapshot("latest") == result.snapshots[0]
        assert store.get_subscription("w").cursor == 1
        assert store.children(held[0].event.id) == result.events

    def test_each_part_is_optional(self, store: Store, held: tuple[Delivery, ...]) -> None:
        """A commit of nothing is nothing."""
        nothing = store.commit()
        assert (nothing.acked, nothing.events, nothing.snapshots) == (0, (), ())
        assert store.commit(acks=held[:2]).acked == 2
        assert store.commit(events=[{"channel": "out"}]).events[0].cursor == 1
        assert store.commit(snapshots=[{"name": "n"}]).snapshots[0].revision == 1

    @pytest.mark.parametrize(
        ("part", "error"),
        [
            ({"events": [{"channel": "out"}, {"channel": "nope"}]}, ChannelNotFoundError),
            ({"events": [{"channel": "out"}, {"channel": "out", "kind": ""}]}, InvalidPayloadError),
            (
                {"events": [{"channel": "out"}], "snapshots": [{"name": "n", "channel": "nope"}]},
                ChannelNotFoundError,
            ),
            ({"events": [{"channel": "out"}], "snapshots": [{"name": "a/b"}]}, InvalidPayloadError),
            ({"events": [{"id": "known", "channel": "out", "payload": 2}]}, EventConflictError),
            ({"events": [{"channel": "out"}], "extra": "x.1.1.y"}, LeaseLostError),
        ],
        ids=["channel", "event", "snapshot channel", "snapshot", "conflict", "lease"],
    )
    def test_one_failure_undoes_everything(
        self, store: Store, held: tuple[Delivery, ...], part: dict[str, Any], error: type[SSSNError]
    ) -> None:
        """Nothing is finished, appended or written, and the leases are still good."""
        store.append_event({"id": "known", "channel": "raw", "payload": 1})
        acks: list[Any] = [*held, part["extra"]] if "extra" in part else list(held)
        with pytest.raises(error):
            store.commit(acks=acks, events=part["events"], snapshots=part.get("snapshots", ()))
        assert store.head("out") == 0
        assert store.list_snapshots() == ()
        assert store.get_subscription("w").cursor == 0
        assert store.ack(held) == 3

    def test_a_stale_token_appends_nothing(self, store: Store) -> None:
        """Whoever lost the lease cannot add an output any more."""
        fill(store, 1)
        store.create_subscription("raw", subscription_id="w")
        slow = store.lease("w", lease_seconds=0.05)
        sleep(0.1)
        quick = store.lease("w")
        assert store.commit(acks=quick, events=[{"channel": "out", "payload": "quick"}]).acked == 1
        with pytest.raises(LeaseLostError):
            store.commit(acks=slow, events=[{"channel": "out", "payload": "slow"}])
        assert [event.payload for event in store.query_events("out")] == ["quick"]

    def test_a_repeated_commit_returns_the_same(self, store: Store, held: tuple[Delivery, ...]) -> None:
        """A retry after a lost answer is safe."""
        parts: dict[str, Any] = {
            "acks": held[:2],
            "events": [{"id": "o1", "channel": "out", "payload": 1}, {"id": "o2", "channel": "out"}],
            "snapshots": [{"name": "n", "value": 1, "timestamp": 1.0}],
        }
        first = store.commit(**parts)
        assert store.commit(**parts) == first
        assert store.head("out") == 2
        assert store.get_snapshot("n").revision == 1

    def test_a_used_token_appends_nothing_new(self, store: Store, held: tuple[Delivery, ...]) -> None:
        """A repeat with other events is no repeat."""
        store.commit(acks=held[0], events=[{"id": "o1", "channel": "out", "payload": 1}])
        for events in ([{"channel": "out"}], [{"id": "o1", "channel": "out", "payload": 2}]):
            with pytest.raises(LeaseLostError):
                store.commit(acks=held[0], events=events)
        with pytest.raises(LeaseLostError):
            store.commit(acks=held[:2], events=[{"channel": "out"}])
        assert store.head("out") == 1
        assert store.ack(held[1:]) == 2

    def test_a_known_output_is_not_written_twice(self, store: Store, held: tuple[Delivery, ...]) -> None:
        """Outputs with ids of their own are the same event after a redelivery."""
        output = {"id": "o1", "channel": "out", "payload": 1}
        known = store.append_event(output)
        assert store.commit(acks=held[0], events=[output]).events == (known,)
        assert store.head("out") == 1
        assert store.get_subscription("w").cursor == 1

    def test_an_output_may_go_to_the_channel_that_is_read(
        self, store: Store, held: tuple[Delivery, ...]
    ) -> None:
        """It is delivered like any other event."""
        store.commit(acks=held, events=[{"channel": "raw", "payload": "again"}])
        assert [delivery.event.payload for delivery in store.lease("w")] == ["again"]

    def test_a_snapshot_may_name_an_event_of_the_commit(
        self, store: Store, held: tuple[Delivery, ...]
    ) -> None:
        """Events are appended first."""
        result = store.commit(
            acks=held[0],
            events=[{"id": "o1", "channel": "out"}],
            snapshots=[{"name": "n", "source_event_id": "o1"}],
        )
        assert result.snapshots[0].source_event_id == "o1"

"""Replay and lag."""

from __future__ import annotations

import time
from time import sleep
from typing import Any

import pytest

from lllm.errors import LeaseLostError
from lllm.store import Store
from lllm.testing.stores.suite import Suite, fill, invalid, payloads


class SeekTests(Suite):
    """`seek` and `lag`."""

    @pytest.fixture
    def read(self, store: Store) -> Store:
        """Return a store whose subscription `w` has read five events."""
        fill(store, 5)
        store.create_subscription("raw", subscription_id="w")
        store.pull_subscription("w")
        return store

    @pytest.mark.parametrize(
        ("place", "expected"),
        [
            ({"cursor": 3}, [4, 5]),
            ({"cursor": 0}, [1, 2, 3, 4, 5]),
            ({"cursor": 5}, []),
            ({"to": "beginning"}, [1, 2, 3, 4, 5]),
            ({"to": "end"}, []),
            ({"time": 0}, [1, 2, 3, 4, 5]),
            ({"time": 4e9}, []),
        ],
        ids=str,
    )
    def test_the_next_event_is_the_one_sought(
        self, read: Store, place: dict[str, Any], expected: list[int]
    ) -> None:
        """In either direction."""
        moved = read.seek("w", **place)
        assert read.get_subscription("w") == moved
        assert payloads(read.pull_subscription("w")) == expected

    def test_seeking_by_time_goes_by_the_append(self, store: Store) -> None:
        """The store's own clock counts, not the timestamps of the events."""
        store.create_subscription("raw", subscription_id="w")
        for number in range(4):
            store.append_event({"channel": "raw", "payload": number, "timestamp": 1000.0 - number})
            if number == 1:
                sleep(0.02)
                middle = time.time()
                sleep(0.02)
        store.seek("w", time=middle)
        assert payloads(store.pull_subscription("w")) == [2, 3]

    def test_seeking_drops_leases_and_attempts(self, store: Store) -> None:
        """Their tokens are lost, and attempts count from one again."""
        fill(store, 2)
        store.create_subscription("raw", subscription_id="w")
        store.nack(store.lease("w", limit=1))
        held = store.lease("w")
        assert held[0].attempt == 2
        store.seek("w", to="beginning")
        for call in (store.ack, store.nack):
            with pytest.raises(LeaseLostError):
                call(held)
        again = store.lease("w")
        assert [delivery.attempt for delivery in again] == [1, 1]
        with pytest.raises(LeaseLostError):
            store.ack(held)
        assert store.ack(again) == 2

    @pytest.mark.parametrize(
        "place",
        [
            {},
            {"cursor": 1, "to": "end"},
            {"cursor": 1, "time": 1.0},
            {"cursor": -1},
            {"cursor": True},
            {"time": "now"},
            {"time": -1},
            {"to": "middle"},
            {"to": []},
        ],
        ids=str,
    )
    def test_exactly_one_place_is_named(self, read: Store, place: dict[str, Any]) -> None:
        """Anything else moves nothing."""
        with invalid(""):
            read.seek("w", **place)
        assert read.get_subscription("w").cursor == 5

    def test_lag_counts_what_is_where(self, store: Store) -> None:
        """Never handed out, leased, delayed, given up."""
        before = time.time()
        fill(store, 10)
        store.create_subscription("raw", subscription_id="w")
        fresh = store.lag("w")
        assert (fresh.subscription, fresh.channel, fresh.head, fresh.cursor) == ("w", "raw", 10, 0)
        assert (fresh.undelivered, fresh.in_flight, fresh.delayed, fresh.dead_lettered) == (10, 0, 0, 0)
        assert fresh.oldest_unfinished_at is not None
        assert before - 1 < fresh.oldest_unfinished_at < time.time() + 1
        deliveries = store.lease("w", limit=6)
        store.ack(deliveries[:2])
        store.nack(deliveries[2], delay=60)
        store.reject(deliveries[3])
        lag = store.lag("w")
        assert (lag.cursor, lag.undelivered, lag.in_flight, lag.delayed, lag.dead_lettered) == (2, 4, 2, 1, 1)
        store.pull_subscription("w")
        assert store.lag("w").undelivered == 0

    def test_lag_counts_only_what_matches(self, store: Store) -> None:
        """Events of other kinds are nobody's backlog."""
        for kind in ("a", "b", "a", "b"):
            fill(store, 1, kind=kind)
        store.create_subscription("raw", subscription_id="w", filters={"kind": "a"})
        assert store.lag("w").undelivered == 2
        store.pull_subscription("w")
        lag = store.lag("w")
        assert (lag.head, lag.cursor, lag.undelivered) == (4, 3, 0)
        assert lag.oldest_unfinished_at is None

    def test_an_idle_subscription_has_no_lag(self, read: Store) -> None:
        """Everything is finished."""
        lag = read.lag("w")
        assert (lag.undelivered, lag.in_flight, lag.delayed, lag.oldest_unfinished_at) == (0, 0, 0, None)

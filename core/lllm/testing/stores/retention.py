"""Retention."""

from __future__ import annotations

from time import sleep
from typing import Any

import pytest

from lllm.errors import ChannelNotFoundError, EventConflictError, EventNotFoundError
from lllm.store import Store
from lllm.testing.stores.suite import Suite, fill, invalid, needs, payloads


class RetentionTests(Suite):
    """`set_retention`, `get_retention` and `apply_retention`."""

    @pytest.fixture
    def ten(self, store: Store) -> Store:
        """Return a store with ten events in `raw`."""
        needs(store, "retention")
        fill(store, 10)
        return store

    def test_it_is_off_by_default(self, ten: Store) -> None:
        """Nothing is removed that nobody asked for."""
        retention = ten.get_retention("raw")
        assert (retention.max_events, retention.max_age_seconds, retention.max_bytes) == (None, None, None)
        assert ten.apply_retention().removed_events == 0
        assert len(ten.query_events("raw")) == 10

    def test_it_is_read_back(self, ten: Store) -> None:
        """Setting it again replaces it."""
        made = ten.set_retention("raw", max_events=5, max_age_seconds=60, keep_unfinished=False)
        assert ten.get_retention("raw") == made
        ten.set_retention("raw", max_bytes=100)
        assert ten.get_retention("raw").max_events is None
        assert ten.get_retention("raw").keep_unfinished is True

    def test_the_oldest_events_are_removed(self, ten: Store) -> None:
        """The others keep their cursors, and the next one goes on counting."""
        ten.set_retention("raw", max_events=4)
        report = ten.apply_retention()
        assert report.removed_events == 6
        assert report.removed_bytes > 0
        assert report.first_cursor["raw"] == 7
        assert (ten.first_cursor("raw"), ten.head("raw")) == (7, 10)
        assert [event.cursor for event in ten.query_events("raw")] == [7, 8, 9, 10]
        assert ten.append_event({"channel": "raw"}).cursor == 11
        assert ten.check().ok

    def test_everything_can_be_removed(self, ten: Store) -> None:
        """Cursors are not used again."""
        ten.set_retention("raw", max_events=0)
        assert ten.apply_retention("raw").first_cursor == {"raw": 11}
        assert (ten.first_cursor("raw"), ten.head("raw")) == (11, 10)
        assert ten.append_event({"channel": "raw"}).cursor == 11

    def test_a_dry_run_only_tells(self, ten: Store) -> None:
        """What it tells is what happens."""
        ten.set_retention("raw", max_events=4)
        preview = ten.apply_retention(dry_run=True)
        assert ten.first_cursor("raw") == 1
        assert ten.apply_retention() == preview

    def test_age_goes_by_the_append(self, store: Store) -> None:
        """The timestamps of the events do not matter."""
        needs(store, "retention")
        fill(store, 2)
        sleep(0.3)
        store.append_event({"channel": "raw", "timestamp": 1.0, "payload": "young"})
        store.set_retention("raw", max_age_seconds=0.2)
        store.apply_retention()
        assert payloads(store.query_events("raw")) == ["young"]

    def test_bytes_are_counted_from_the_newest(self, ten: Store) -> None:
        """What fits is kept."""
        ten.set_retention("raw", max_bytes=10**6)
        assert ten.apply_retention().removed_events == 0
        ten.set_retention("raw", max_bytes=0)
        assert ten.apply_retention().removed_events == 10

    def test_unfinished_events_are_kept(self, ten: Store) -> None:
        """Those above the lowest floor, unless it is allowed to remove them."""
        ten.create_subscription("raw", subscription_id="w")
        ten.pull_subscription("w", limit=3)
        ten.set_retention("raw", max_events=0)
        assert ten.apply_retention().removed_events == 3
        assert payloads(ten.pull_subscription("w", limit=1)) == [4]
        ten.set_retention("raw", max_events=0, keep_unfinished=False)
        assert ten.apply_retention().removed_events == 7
        assert ten.pull_subscription("w") == ()

    def test_readers_go_on_with_the_first_kept_event(self, ten: Store) -> None:
        """Subscriptions, queries and iterations."""
        ten.create_subscription("raw", subscription_id="w")
        held = ten.lease("w", limit=2, lease_seconds=0.05)
        ten.set_retention("raw", max_events=3, keep_unfinished=False)
        ten.apply_retention()
        sleep(0.1)
        assert payloads(ten.query_events("raw", after_cursor=2)) == [8, 9, 10]
        assert payloads(ten.iter_events("raw")) == [8, 9, 10]
        assert payloads(ten.lease("w")) == [8, 9, 10]
        ten.seek("w", to="beginning")
        assert payloads(ten.pull_subscription("w")) == [8, 9, 10]
        assert len(held) == 2

    def test_a_late_retry_is_still_the_same_event(self, store: Store) -> None:
        """Removed events are remembered, with their parents."""
        needs(store, "retention")
        store.append_event({"id": "p", "channel": "raw"})
        first = store.append_event({"id": "e", "channel": "raw", "payload": 1, "parent_ids": ["p"]})
        store.set_retention("raw", max_events=0)
        store.apply_retention()
        with pytest.raises(EventNotFoundError):
            store.get_event("e")
        again = store.append_event({"id": "e", "channel": "raw", "payload": 1, "parent_ids": ["p"]})
        assert again == first
        with pytest.raises(EventConflictError):
            store.append_event({"id": "e", "channel": "raw", "payload": 2})
        assert store.append_events([{"id": "e", "channel": "raw", "payload": 1, "parent_ids": ["p"]}]) == (
            first,
        )
        assert store.head("raw") == 2
        assert store.query_events("raw") == ()

    def test_removed_parents_are_left_out(self, store: Store) -> None:
        """The child still names them."""
        needs(store, "retention")
        store.append_events(
            [{"id": "p", "channel": "raw"}, {"id": "c", "channel": "out", "parent_ids": ["p"]}]
        )
        store.set_retention("raw", max_events=0)
        store.apply_retention()
        assert store.get_event("c").parent_ids == ("p",)
        assert store.parents("c") == ()
        assert store.ancestors("c") == ()
        assert store.check().ok

    def test_many_events_are_removed_in_steps(self, store: Store) -> None:
        """Thousands at once, and only from their own channel."""
        needs(store, "retention")
        fill(store, 4500)
        fill(store, 5, channel="out")
        store.set_retention("raw", max_events=10)
        assert store.apply_retention().removed_events == 4490
        assert store.first_cursor("raw") == 4491
        assert store.head("out") == 5

    @pytest.mark.parametrize(
        "limits",
        [
            {"max_events": -1},
            {"max_events": True},
            {"max_bytes": "1"},
            {"max_age_seconds": -1},
            {"max_age_seconds": float("nan")},
            {"keep_unfinished": "yes"},
        ],
        ids=str,
    )
    def test_bad_limits_are_refused(self, ten: Store, limits: dict[str, Any]) -> None:
        """Nothing changes."""
        with invalid(next(iter(limits))):
            ten.set_retention("raw", **limits)
        assert ten.get_retention("raw").max_events is None

    def test_a_missing_channel_is_named_for_retention(self, ten: Store) -> None:
        """Every operation says which one."""
        calls: list[Any] = [ten.set_retention, ten.get_retention, ten.apply_retention]
        for call in calls:
            with pytest.raises(ChannelNotFoundError):
                call("nope")

"""Appending many events in one commit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lllm.errors import ChannelNotFoundError, EventConflictError, EventNotFoundError, InvalidPayloadError
from lllm.store import Event, Store
from lllm.testing.stores.suite import Suite, fill, payloads, refused


class BatchTests(Suite):
    """`append_events`."""

    def test_a_batch_keeps_its_order(self, store: Store) -> None:
        """Events come back in the order given, with dense cursors."""
        events = fill(store, 5)
        assert payloads(events) == [1, 2, 3, 4, 5]
        assert [event.cursor for event in events] == [1, 2, 3, 4, 5]
        assert store.query_events("raw") == events

    def test_channels_may_be_mixed(self, store: Store) -> None:
        """Each channel counts for itself."""
        events = store.append_events([{"channel": name} for name in ("raw", "out", "raw")])
        assert [event.cursor for event in events] == [1, 1, 2]

    def test_any_iterable_of_events_or_fields_will_do(self, store: Store) -> None:
        """A generator is consumed once."""
        made: list[Any] = [Event(channel="raw", payload=1), {"channel": "raw", "payload": 2}]
        assert payloads(store.append_events(item for item in made)) == [1, 2]

    def test_an_empty_batch_is_nothing(self, store: Store) -> None:
        """Nothing is appended."""
        assert store.append_events(()) == ()
        assert store.append_events(iter([])) == ()

    def test_a_parent_may_be_earlier_in_the_batch(self, store: Store) -> None:
        """A whole tree can be appended at once."""
        events = store.append_events(
            [{"id": "a", "channel": "raw"}, {"id": "b", "channel": "out", "parent_ids": ["a"]}]
        )
        assert store.parents("b") == events[:1]

    def test_a_parent_may_not_be_later_in_the_batch(self, store: Store) -> None:
        """An event comes from what was there before it."""
        with refused(EventNotFoundError, "events[0]: Event not found: b"):
            store.append_events(
                [{"id": "a", "channel": "raw", "parent_ids": ["b"]}, {"id": "b", "channel": "raw"}]
            )
        with refused(EventNotFoundError, "events[0]: Event not found: a"):
            store.append_events([{"id": "a", "channel": "raw", "parent_ids": ["a"]}])

    @pytest.mark.parametrize(
        ("bad", "error", "text"),
        [
            ({"channel": "nope"}, ChannelNotFoundError, "events[2]: Channel not found: nope"),
            ({"channel": "raw", "parent_ids": ["x"]}, EventNotFoundError, "events[2]: Event not found: x"),
            ({"channel": "raw", "kind": ""}, InvalidPayloadError, "events[2]: "),
            (
                {"channel": "raw", "payload": float("nan")},
                InvalidPayloadError,
                "events[2]: Value is not JSON",
            ),
            (
                {"channel": "raw", "metadata": 5},
                InvalidPayloadError,
                "events[2]: event.metadata must be an object.",
            ),
            (None, InvalidPayloadError, "events[2]: "),
            (
                {"id": "known", "channel": "out"},
                EventConflictError,
                "events[2]: Event already exists with different",
            ),
        ],
        ids=["channel", "parent", "kind", "payload", "metadata", "none", "conflict"],
    )
    def test_one_bad_event_stores_none(
        self, store: Store, bad: Any, error: type[Exception], text: str
    ) -> None:
        """The error begins with the index of the event."""
        store.append_event({"id": "known", "channel": "raw", "payload": 0})
        with refused(error, text) as caught:
            store.append_events([{"channel": "raw"}, {"channel": "out"}, bad, {"channel": "raw"}])
        assert str(caught.value).startswith("events[2]: ")
        assert (store.head("raw"), store.head("out")) == (1, 0)

    @pytest.mark.parametrize("value", ["raw", {"channel": "raw"}, 5, None, b"x"])
    def test_what_is_no_list_of_events_is_refused(self, store: Store, value: Any) -> None:
        """One event is no batch."""
        with pytest.raises(InvalidPayloadError):
            store.append_events(value)

    def test_repeats_inside_a_batch_are_one_event(self, store: Store) -> None:
        """The same event twice is stored once and returned twice."""
        one = {"id": "a", "channel": "raw", "payload": 1}
        first, second, third = store.append_events([one, {"channel": "raw", "payload": 2}, one])
        assert first == third
        assert first is not third
        assert (first.cursor, second.cursor) == (1, 2)
        assert store.head("raw") == 2

    def test_a_conflict_inside_a_batch_is_found(self, store: Store) -> None:
        """One id cannot be two events."""
        with refused(EventConflictError, "events[1]: Event already exists with different content: a"):
            store.append_events(
                [{"id": "a", "channel": "raw", "payload": 1}, {"id": "a", "channel": "raw", "payload": 2}]
            )
        assert store.head("raw") == 0

    def test_a_repeated_batch_changes_nothing(self, store: Store) -> None:
        """A retry after a lost answer returns what is stored."""
        batch = [Event(channel="raw", payload=number) for number in range(3)]
        first = store.append_events(batch)
        assert store.append_events(batch) == first
        assert store.head("raw") == 3

    def test_a_batch_may_be_half_repeated(self, store: Store) -> None:
        """What is stored is returned, what is new is appended, in the order given."""
        known = store.append_event({"id": "b", "channel": "raw"})
        events = store.append_events(
            [{"id": "a", "channel": "raw"}, {"id": "b", "channel": "raw"}, {"id": "c", "channel": "raw"}]
        )
        assert [event.cursor for event in events] == [2, 1, 3]
        assert events[1] == known

    def test_a_long_batch_is_one_batch(self, store: Store) -> None:
        """Thousands of events, each with two parents, are appended together."""
        parents = [event.id for event in fill(store, 2, channel="out")]
        events = store.append_events(
            {"channel": "raw", "payload": number, "parent_ids": parents} for number in range(2500)
        )
        assert store.head("raw") == 2500
        assert store.get_events([event.id for event in events[::500]]) == events[::500]

    def test_batches_of_threads_do_not_mix(self, store: Store) -> None:
        """The events of one batch have neighbouring cursors."""
        with ThreadPoolExecutor(4) as threads:
            batches = list(threads.map(lambda _: fill(store, 20), range(8)))
        for batch in batches:
            first = batch[0].cursor or 0
            assert [event.cursor for event in batch] == list(range(first, first + 20))
        assert store.head("raw") == 160

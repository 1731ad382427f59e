"""Appending one event, and repeating it."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lllm.errors import (
    ChannelNotFoundError,
    EventConflictError,
    EventNotFoundError,
    InvalidPayloadError,
)
from lllm.store import Event, Store
from lllm.testing.stores.suite import BAD_NAMES, GOOD_NAMES, Suite, fill, invalid, refused, trying

_FULL: dict[str, Any] = {
    "id": "e1",
    "channel": "raw",
    "timestamp": 1.5,
    "source": "s",
    "kind": "message",
    "payload": {"n": 1},
    "schema": "demo:Event",
    "metadata": {"k": "v"},
    "correlation_id": "c1",
    "parent_ids": ["p1", "p2"],
}


class EventTests(Suite):
    """`append_event` and `get_event`."""

    def test_every_field_is_read_back_for_events(self, store: Store) -> None:
        """The append returns what later reads return."""
        for parent in ("p1", "p2"):
            store.append_event({"id": parent, "channel": "out"})
        event = store.append_event({**_FULL, "cursor": 99})
        assert event.model_dump(by_alias=True) == {
            **_FULL,
            "cursor": 1,
            "parent_ids": ("p1", "p2"),
        }
        assert store.get_event("e1") == event
        assert store.query_events("raw") == (event,)

    def test_defaults_for_events(self, store: Store) -> None:
        """Only the channel is required."""
        before = time.time()
        event = store.append_event({"channel": "raw", "metadata": None})
        assert uuid.UUID(event.id).version == 4
        assert before - 1 <= event.timestamp <= time.time() + 1
        assert (event.kind, event.payload, event.source, event.schema) == ("event", None, None, None)
        assert (event.metadata, event.correlation_id, event.parent_ids) == ({}, None, ())

    def test_an_event_object_is_accepted(self, store: Store) -> None:
        """An Event keeps its own id and timestamp."""
        event = Event(channel="raw", payload=[1])
        stored = store.append_event(event)
        assert (stored.id, stored.timestamp, stored.cursor) == (event.id, event.timestamp, 1)
        assert event.cursor is None

    def test_cursors_are_dense_in_each_channel(self, store: Store) -> None:
        """Each channel counts 1, 2, 3, ... whatever the others do."""
        channels = ["raw", "out", "raw", "raw", "out"]
        assert [store.append_event({"channel": name}).cursor for name in channels] == [1, 1, 2, 3, 2]

    def test_a_failed_append_leaves_no_gap(self, store: Store) -> None:
        """Cursors are assigned by the commit."""
        store.append_event({"channel": "raw"})
        with pytest.raises(EventNotFoundError):
            store.append_event({"channel": "raw", "parent_ids": ["nope"]})
        assert store.append_event({"channel": "raw"}).cursor == 2

    def test_the_cursor_of_the_input_is_ignored(self, store: Store) -> None:
        """Only the store assigns cursors."""
        assert store.append_event({"channel": "raw", "cursor": 7}).cursor == 1
        assert store.append_event(Event(channel="raw", cursor=7)).cursor == 2

    def test_a_missing_channel_is_named_for_events(self, store: Store) -> None:
        """The error says which channel."""
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.append_event({"channel": "nope"})

    def test_a_missing_parent_is_named(self, store: Store) -> None:
        """The error says which parent; nothing is stored."""
        with refused(EventNotFoundError, "Event not found: nope"):
            store.append_event({"channel": "raw", "parent_ids": ["nope"]})
        assert store.head("raw") == 0

    def test_a_missing_event_is_named_for_events(self, store: Store) -> None:
        """The error says which event; a bad id comes first."""
        with refused(EventNotFoundError, "Event not found: nope"):
            store.get_event("nope")
        with invalid("event.id must be a non-empty path segment."):
            store.get_event("a/b")

    def test_parents_may_be_anywhere_and_repeat(self, store: Store) -> None:
        """Parents of other channels and the same one twice are kept as they are."""
        parent = store.append_event({"channel": "out"}).id
        assert (
            store.append_event({"channel": "raw", "parent_ids": (parent, parent)}).parent_ids == (parent,) * 2
        )

    @pytest.mark.parametrize("parents", [["p"], {"p"}, ("p",), frozenset({"p"})])
    def test_parents_may_be_any_collection(self, store: Store, parents: Any) -> None:
        """A list, a tuple or a set."""
        store.append_event({"id": "p", "channel": "raw"})
        assert store.append_event({"channel": "raw", "parent_ids": parents}).parent_ids == ("p",)

    def test_checks_have_an_order_for_events(self, store: Store) -> None:
        """The model comes first, then the channel, then the parents."""
        with invalid("event.kind must be a non-empty token."):
            store.append_event({"channel": "nope", "kind": " ", "parent_ids": ["nope"]})
        with pytest.raises(ChannelNotFoundError):
            store.append_event({"channel": "nope", "parent_ids": ["nope"]})
        with invalid("event.metadata must be an object."):
            store.append_event({"channel": "nope", "kind": " ", "metadata": [1]})

    @pytest.mark.parametrize(
        ("field", "text"),
        [
            ("id", "event.id must be a non-empty path segment."),
            ("channel", "event.channel must be a non-empty path segment."),
            ("kind", "event.kind must be a non-empty token."),
            ("correlation_id", "event.correlation_id must be a non-empty token."),
        ],
    )
    def test_a_bad_name_is_refused_for_events(self, store: Store, field: str, text: str) -> None:
        """The error names the field."""
        for name in BAD_NAMES:
            with trying(name), invalid(text):
                store.append_event({"channel": "raw", field: name})

    def test_bad_parents_are_refused(self, store: Store) -> None:
        """A string is no list, and every parent is a path segment."""
        collections: tuple[Any, ...] = ("p", ["a b"], [5], [None], 5, {"p": 1}, ["a;b"], "", 0, None)
        for parents in collections:
            with trying(parents), invalid("event.parent_ids must be a list of path segments."):
                store.append_event({"channel": "raw", "parent_ids": parents})

    def test_any_other_name_is_exact_for_events(self, store: Store) -> None:
        """Characters that mean something in URLs mean nothing here."""
        for name in GOOD_NAMES:
            with trying(name):
                store.append_event({"id": name, "channel": "raw", "kind": name, "correlation_id": name})
                assert store.get_event(name).id == name
                assert store.query_events("raw", kind=name, correlation_id=name)[0].id == name
                assert store.trace(name)[0].id == name

    @pytest.mark.parametrize(
        "fields",
        [
            {"id": 5},
            {"id": None},
            {"id": b"x"},
            {"channel": None},
            {"kind": None},
            {"source": 5},
            {"schema": b"s"},
            {"timestamp": "soon"},
            {"timestamp": float("nan")},
            {"timestamp": float("inf")},
            {"source": "\ud800"},
            {"schema": "a\udfffb"},
            {"correlation_id": 5},
            {"cursor": "many"},
        ],
    )
    def test_a_malformed_field_is_refused_for_events(self, store: Store, fields: dict[str, Any]) -> None:
        """No other error leaves the store, and nothing is stored."""
        with pytest.raises(InvalidPayloadError):
            store.append_event({"channel": "raw", **fields})
        assert store.head("raw") == 0

    @pytest.mark.parametrize("value", [None, 5, "raw", [1], {}])
    def test_what_is_no_event_is_refused(self, store: Store, value: Any) -> None:
        """Neither an event nor an object with a channel."""
        with pytest.raises(InvalidPayloadError):
            store.append_event(value)

    def test_numbers_follow_pydantic(self, store: Store) -> None:
        """A timestamp may be an integer or the text of a number."""
        assert store.append_event({"channel": "raw", "timestamp": "12.5"}).timestamp == 12.5
        assert store.append_event({"channel": "raw", "timestamp": 12}).timestamp == 12.0

    def test_any_source_and_schema_are_kept(self, store: Store) -> None:
        """They are texts, not names."""
        event = store.append_event({"channel": "raw", "source": "a b/ü", "schema": ""})
        assert store.get_event(event.id) == event
        assert (event.source, event.schema) == ("a b/ü", "")

    def test_a_mutated_event_is_checked_again(self, store: Store) -> None:
        """What was valid when it was made need not be valid now."""
        event = Event(channel="raw")
        event.kind = "a b"
        with invalid("event.kind must be a non-empty token."):
            store.append_event(event)
        event.kind = "good"
        event.payload = float("nan")
        with invalid("Value is not JSON serializable"):
            store.append_event(event)
        event.payload = 1
        event.metadata = None  # type: ignore[assignment]
        with invalid("event.metadata must be an object."):
            store.append_event(event)

    @pytest.mark.parametrize("key", ["correlationId", "Payload", "parentIds", "SOURCE"])
    def test_a_misspelt_field_is_refused_for_events(self, store: Store, key: str) -> None:
        """A key that differs from a field only by case or underscores is an error that names both."""
        with invalid(key, "did you mean"):
            store.append_event({"channel": "raw", key: "x"})

    def test_a_repeat_returns_the_stored_event(self, store: Store) -> None:
        """Nothing is written, and the first timestamp and cursor stay."""
        first = store.append_event({"id": "e1", "channel": "raw", "payload": {"b": 1, "a": (2,)}})
        fill(store, 1)
        again = store.append_event({"id": "e1", "channel": "raw", "payload": {"a": [2], "b": 1}, "cursor": 9})
        assert again == first
        assert store.head("raw") == 2

    def test_a_repeat_of_the_same_object_is_the_same_event(self, store: Store) -> None:
        """A retry of an Event is safe, also after the first one was read back."""
        event = Event(channel="raw", payload={"a": 1})
        first = store.append_event(event)
        assert store.append_event(event) == first
        assert store.append_event(first) == first

    @pytest.mark.parametrize(
        "change",
        [
            {"channel": "out"},
            {"source": "t"},
            {"kind": "other"},
            {"payload": {"n": 1.0}},
            {"payload": None},
            {"schema": None},
            {"metadata": {}},
            {"correlation_id": "c2"},
            {"parent_ids": ["p2", "p1"]},
            {"timestamp": 2.5},
        ],
    )
    def test_a_repeat_with_other_content_is_a_conflict(self, store: Store, change: dict[str, Any]) -> None:
        """Each field of the content counts, and the timestamp when it is given."""
        for parent in ("p1", "p2"):
            store.append_event({"id": parent, "channel": "out"})
        first = store.append_event(_FULL)
        with refused(EventConflictError, "Event already exists with different content: e1"):
            store.append_event({**_FULL, **change})
        assert store.get_event("e1") == first

    def test_a_timestamp_counts_only_when_it_is_given(self, store: Store) -> None:
        """A retry that was not told the time is still the same event."""
        first = store.append_event({"id": "e1", "channel": "raw", "timestamp": 1.5})
        assert store.append_event({"id": "e1", "channel": "raw"}) == first

    def test_threads_append_without_gaps(self, store: Store) -> None:
        """Cursors stay dense and unique, whoever appends."""
        with ThreadPoolExecutor(8) as threads:
            events = list(
                threads.map(lambda n: store.append_event({"channel": "raw", "payload": n}), range(80))
            )
        assert sorted(event.cursor or 0 for event in events) == list(range(1, 81))
        assert {event.id for event in store.query_events("raw")} == {event.id for event in events}

    def test_threads_that_repeat_one_event_store_it_once(self, store: Store) -> None:
        """Everybody gets the same event."""
        with ThreadPoolExecutor(8) as threads:
            events = list(threads.map(lambda _: store.append_event({"id": "e", "channel": "raw"}), range(32)))
        assert {event.cursor for event in events} == {1}
        assert store.head("raw") == 1

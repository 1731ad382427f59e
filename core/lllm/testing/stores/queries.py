"""Reading the events of one channel."""

from __future__ import annotations

from typing import Any

import pytest

from lllm.errors import ChannelNotFoundError, EventNotFoundError, InvalidPayloadError
from lllm.store import Store
from lllm.testing.stores.suite import Suite, fill, invalid, payloads, refused


class QueryTests(Suite):
    """`query_events`, `iter_events`, `get_events`."""

    @pytest.fixture
    def filled(self, store: Store) -> Store:
        """Return a store whose channel `raw` holds ten events of two kinds, sources and episodes."""
        store.append_events(
            {
                "channel": "raw",
                "id": f"e{number}",
                "payload": number,
                "kind": "odd" if number % 2 else "even",
                "source": "s" if number < 6 else "t",
                "correlation_id": f"c{number % 3}",
            }
            for number in range(1, 11)
        )
        fill(store, 3, channel="out")
        return store

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            ({"limit": 3}, [1, 2, 3]),
            ({"after_cursor": 8}, [9, 10]),
            ({"after_cursor": 10}, []),
            ({"after_cursor": 2**62}, []),
            ({"before_cursor": 3}, [1, 2]),
            ({"before_cursor": 0}, []),
            ({"after_cursor": 2, "before_cursor": 5}, [3, 4]),
            ({"kind": "odd"}, [1, 3, 5, 7, 9]),
            ({"kind": "none"}, []),
            ({"kind": "even", "after_cursor": 4, "limit": 2}, [6, 8]),
            ({"source": "t"}, [6, 7, 8, 9, 10]),
            ({"source": "s", "kind": "odd", "limit": 2}, [1, 3]),
            ({"correlation_id": "c0"}, [3, 6, 9]),
            ({"correlation_id": "c1", "kind": "even"}, [4, 10]),
            ({"reverse": True, "limit": 3}, [10, 9, 8]),
            ({"reverse": True, "before_cursor": 4}, [3, 2, 1]),
            ({"reverse": True, "after_cursor": 7}, [10, 9, 8]),
            ({"reverse": True, "kind": "odd", "source": "s"}, [5, 3, 1]),
        ],
        ids=str,
    )
    def test_selection(self, filled: Store, options: dict[str, Any], expected: list[int]) -> None:
        """Every argument narrows the result, and the order is that of the cursors."""
        assert payloads(filled.query_events("raw", **options)) == expected
        paged = {name: value for name, value in options.items() if name != "limit"}
        everything = filled.query_events("raw", **paged)
        assert tuple(filled.iter_events("raw", page_size=2, **paged)) == everything

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"after_cursor": "1"}, "after_cursor must be an integer."),
            ({"after_cursor": True}, "after_cursor must be an integer."),
            ({"after_cursor": None}, "after_cursor must be an integer."),
            ({"after_cursor": 1.0}, "after_cursor must be an integer."),
            ({"after_cursor": -1}, "after_cursor must be greater than or equal to 0."),
            ({"limit": "1"}, "limit must be an integer."),
            ({"limit": False}, "limit must be an integer."),
            ({"limit": 0}, "limit must be greater than 0."),
            ({"limit": -5}, "limit must be greater than 0."),
            ({"kind": ""}, "event.kind must be a non-empty token."),
            ({"kind": 5}, "event.kind must be a non-empty token."),
            ({"after_cursor": 2**63}, "after_cursor"),
            ({"limit": 2**63}, "limit"),
        ],
        ids=str,
    )
    def test_bad_arguments_are_refused_for_queries(
        self, store: Store, options: dict[str, Any], text: str
    ) -> None:
        """The text names the argument."""
        with invalid(text):
            store.query_events("raw", **options)

    def test_checks_have_an_order_for_queries(self, store: Store) -> None:
        """The cursor, the limit, the name of the channel, its existence, the kind."""
        with invalid("after_cursor"):
            store.query_events("a/b", after_cursor=-1, limit=0, kind="")
        with invalid("limit"):
            store.query_events("a/b", limit=0, kind="")
        with invalid("must be a non-empty path segment."):
            store.query_events("a/b", kind="")
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.query_events("nope", kind="")

    def test_an_empty_channel_is_empty(self, store: Store) -> None:
        """Events of other channels do not show."""
        fill(store, 2, channel="out")
        assert store.query_events("raw") == ()

    def test_iteration_goes_on_with_what_arrives(self, store: Store) -> None:
        """Pages follow each other, and later events belong to later pages."""
        fill(store, 3)
        seen = []
        for event in store.iter_events("raw", page_size=2):
            seen.append(event.payload)
            if len(seen) == 2:
                store.append_event({"channel": "raw", "payload": "late"})
        assert seen == [1, 2, 3, "late"]

    def test_iteration_checks_its_arguments(self, store: Store) -> None:
        """A missing channel is an error, not an empty iteration."""
        with pytest.raises(ChannelNotFoundError):
            list(store.iter_events("nope"))
        with invalid("page_size"):
            list(store.iter_events("raw", page_size=0))

    def test_events_are_returned_in_the_order_asked(self, filled: Store) -> None:
        """An id may be asked for twice."""
        assert payloads(filled.get_events(["e3", "e1", "e3"])) == [3, 1, 3]
        assert filled.get_events([]) == ()

    def test_a_missing_event_among_many_is_named(self, filled: Store) -> None:
        """Nothing is returned instead of less."""
        with refused(EventNotFoundError, "Event not found: nope"):
            filled.get_events(["e1", "nope"])
        with pytest.raises(InvalidPayloadError):
            filled.get_events(["a/b"])

    def test_many_events_are_found_at_once(self, store: Store) -> None:
        """There is no limit on the number of ids."""
        ids = [event.id for event in fill(store, 1500)]
        assert [event.id for event in store.get_events(reversed(ids))] == ids[::-1]

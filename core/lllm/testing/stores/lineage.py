"""Lineage."""

from __future__ import annotations

from typing import Any

import pytest

from lllm.errors import EventNotFoundError
from lllm.store import Store, page_token
from lllm.testing.stores.suite import Suite, fill, invalid, needs, refused


def ids(events: Any) -> list[str]:
    """Return the ids of events."""
    return [event.id for event in events]


class LineageTests(Suite):
    """`parents`, `children`, `ancestors`, `descendants`, `trace` and `artifacts_for`."""

    @pytest.fixture
    def family(self, store: Store) -> Store:
        """Return a store with a small graph: a to b and c, both to d, d to e."""
        needs(store, "lineage")
        for name, channel, parents in (
            ("a", "raw", []),
            ("b", "out", ["a"]),
            ("c", "raw", ["a", "a"]),
            ("d", "out", ["c", "b"]),
            ("e", "raw", ["d"]),
        ):
            store.append_event({"id": name, "channel": channel, "parent_ids": parents})
        return store

    def test_parents_keep_their_order(self, family: Store) -> None:
        """That of `parent_ids`."""
        assert ids(family.parents("d")) == ["c", "b"]
        assert ids(family.parents("c")) == ["a"]
        assert family.parents("a") == ()

    def test_children_come_in_append_order(self, family: Store) -> None:
        """Each once, whatever its channel."""
        assert ids(family.children("a")) == ["b", "c"]
        assert family.children("e") == ()

    def test_children_come_in_pages(self, store: Store) -> None:
        """A page continues after the token of the last one."""
        needs(store, "lineage")
        store.append_event({"id": "root", "channel": "raw"})
        made = ids(
            store.append_events(
                {"channel": "raw" if number % 2 else "out", "parent_ids": ["root"]} for number in range(7)
            )
        )
        seen: list[str] = []
        after: int | str = 0
        while page := store.children("root", limit=3, after=after):
            seen.extend(ids(page))
            after = page_token(page[-1])
        assert seen == made

    def test_ancestors_are_found_breadth_first(self, family: Store) -> None:
        """Each event once."""
        assert ids(family.ancestors("e")) == ["d", "c", "b", "a"]
        assert ids(family.ancestors("e", depth=1)) == ["d"]
        assert ids(family.ancestors("e", depth=2)) == ["d", "c", "b"]
        assert ids(family.ancestors("e", limit=2)) == ["d", "c"]
        assert family.ancestors("e", depth=0) == ()

    def test_descendants_are_found_breadth_first(self, family: Store) -> None:
        """Each event once."""
        assert ids(family.descendants("a")) == ["b", "c", "d", "e"]
        assert ids(family.descendants("a", depth=1)) == ["b", "c"]
        assert ids(family.descendants("a", limit=3)) == ["b", "c", "d"]
        assert family.descendants("e") == ()

    def test_a_long_chain_is_followed(self, store: Store) -> None:
        """Depth is no problem of the stack."""
        needs(store, "lineage")
        store.append_events(
            {"id": f"n{number}", "channel": "raw", "parent_ids": [f"n{number - 1}"] if number else []}
            for number in range(300)
        )
        assert ids(store.ancestors("n299"))[-1] == "n0"
        assert len(store.descendants("n0")) == 299

    def test_a_trace_is_an_episode_and_its_root(self, store: Store) -> None:
        """Events of all channels, in append order, each once."""
        needs(store, "lineage")
        store.append_event({"id": "root", "channel": "raw"})
        fill(store, 1)
        store.append_event({"id": "x", "channel": "out", "correlation_id": "root"})
        store.append_event({"id": "y", "channel": "raw", "correlation_id": "root"})
        store.append_event({"id": "z", "channel": "raw", "correlation_id": "other"})
        assert ids(store.trace("root")) == ["root", "x", "y"]
        assert ids(store.trace("root", limit=2)) == ["root", "x"]
        assert ids(store.trace("root", after=page_token(store.get_event("x")))) == ["y"]
        assert ids(store.trace("other")) == ["z"]
        assert store.trace("nope") == ()

    def test_a_root_with_its_own_correlation_id_shows_once(self, store: Store) -> None:
        """It belongs to its episode twice over."""
        needs(store, "lineage")
        store.append_event({"id": "root", "channel": "raw", "correlation_id": "root"})
        assert ids(store.trace("root")) == ["root"]

    def test_a_missing_event_is_named_for_lineage(self, family: Store) -> None:
        """An event that is not there has no family."""
        calls: list[Any] = [
            family.parents,
            family.children,
            family.ancestors,
            family.descendants,
            family.artifacts_for,
        ]
        for call in calls:
            with refused(EventNotFoundError, "Event not found: nope"):
                call("nope")
            with invalid("event.id must be a non-empty path segment."):
                call("a/b")

    def test_bad_arguments_are_refused_for_lineage(self, family: Store) -> None:
        """The text names the argument."""
        with invalid("limit must be greater than 0."):
            family.children("a", limit=0)
        with invalid("depth"):
            family.ancestors("a", depth=-1)
        with invalid("after"):
            family.children("a", after="garbage")
        with invalid("event.correlation_id must be a non-empty token."):
            family.trace("a b")

    def test_artifacts_are_found_by_event(self, family: Store) -> None:
        """In the order of writing."""
        first = family.write_artifact(b"1", event_ids=["a", "b"])
        second = family.write_artifact(b"2", event_ids=["a"])
        assert family.artifacts_for("a") == (first, second)
        assert family.artifacts_for("b") == (first,)
        assert family.artifacts_for("c") == ()

"""Snapshots."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lllm.errors import (
    ChannelNotFoundError,
    EventNotFoundError,
    InvalidPayloadError,
    SnapshotConflictError,
    SnapshotNotFoundError,
)
from lllm.store import Snapshot, Store
from lllm.testing.stores.suite import BAD_NAMES, Suite, invalid, refused, trying


class SnapshotTests(Suite):
    """`put_snapshot` and its relatives."""

    def test_every_field_is_read_back_for_snapshots(self, store: Store) -> None:
        """What the write returns is what a read returns."""
        store.append_event({"id": "e1", "channel": "raw"})
        fields = {
            "name": "latest",
            "channel": "raw",
            "timestamp": 2.0,
            "value": {"a": None, "b": [None, 1]},
            "schema": "S",
            "source_event_id": "e1",
            "metadata": {"z": None},
        }
        made = store.put_snapshot(fields)
        assert made.model_dump(by_alias=True) == {**fields, "revision": 1}
        assert store.get_snapshot("latest") == made

    def test_defaults_for_snapshots(self, store: Store) -> None:
        """Only the name is required."""
        before = time.time()
        made = store.put_snapshot({"name": "plain", "metadata": None})
        assert before - 1 < made.timestamp < time.time() + 1
        assert (made.channel, made.value, made.schema, made.source_event_id, made.metadata) == (
            None,
            None,
            None,
            None,
            {},
        )

    def test_the_last_write_wins(self, store: Store) -> None:
        """With every field, even with an older timestamp; revisions count."""
        store.put_snapshot({"name": "n", "value": 1, "timestamp": 10.0, "schema": "s", "metadata": {"a": 1}})
        second = store.put_snapshot(Snapshot(name="n", value=2, timestamp=5.0))
        assert store.get_snapshot("n") == second
        assert (second.revision, second.schema, second.metadata) == (2, None, {})

    def test_a_revision_that_was_read_back_is_ignored(self, store: Store) -> None:
        """Only `expected_revision` makes a condition."""
        first = store.put_snapshot({"name": "n", "value": 1})
        store.put_snapshot({"name": "n", "value": 2})
        assert store.put_snapshot(first).revision == 3
        assert store.put_snapshot({"name": "n", "revision": 99}).revision == 4

    def test_compare_and_set(self, store: Store) -> None:
        """Nothing is written over another revision."""
        with refused(SnapshotConflictError, "Snapshot revision conflict: n (expected 1, current 0)"):
            store.put_snapshot({"name": "n"}, expected_revision=1)
        assert store.put_snapshot({"name": "n", "value": 1}, expected_revision=0).revision == 1
        with refused(
            SnapshotConflictError, "Snapshot revision conflict: n (expected 0, current 1)"
        ) as caught:
            store.put_snapshot({"name": "n", "value": 2}, expected_revision=0)
        assert (caught.value.expected, caught.value.current) == (0, 1)
        assert store.put_snapshot({"name": "n", "value": 2}, expected_revision=1).revision == 2
        assert store.get_snapshot("n").value == 2

    def test_only_one_of_many_writers_wins(self, store: Store) -> None:
        """A counter kept with compare-and-set loses nothing."""
        store.put_snapshot({"name": "n", "value": 0})

        def add(_: int) -> None:
            while True:
                current = store.get_snapshot("n")
                try:
                    store.put_snapshot(
                        {"name": "n", "value": current.value + 1}, expected_revision=current.revision
                    )
                except SnapshotConflictError:
                    continue
                return

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(add, range(20)))
        assert store.get_snapshot("n").value == 20

    def test_revisions_can_be_read_back(self, store: Store) -> None:
        """The ten newest are kept."""
        written = [store.put_snapshot({"name": "n", "value": number}) for number in range(1, 14)]
        assert store.snapshot_history("n") == tuple(reversed(written))[:10]
        assert store.snapshot_history("n", limit=2) == (written[12], written[11])
        assert store.get_snapshot("n", revision=10) == written[9]
        with refused(SnapshotNotFoundError, "Snapshot not found: n"):
            store.get_snapshot("n", revision=1)
        with refused(SnapshotNotFoundError, "Snapshot not found: n"):
            store.get_snapshot("n", revision=99)

    def test_a_deleted_snapshot_goes_on_counting(self, store: Store) -> None:
        """No revision is ever used twice."""
        store.put_snapshot({"name": "n", "value": 1})
        store.put_snapshot({"name": "n", "value": 2})
        with pytest.raises(SnapshotConflictError):
            store.delete_snapshot("n", expected_revision=1)
        store.delete_snapshot("n", expected_revision=2)
        for call in (store.get_snapshot, store.snapshot_history, store.delete_snapshot):
            with refused(SnapshotNotFoundError, "Snapshot not found: n"):
                call("n")
        assert store.put_snapshot({"name": "n", "value": 3}, expected_revision=0).revision == 3
        assert len(store.snapshot_history("n")) == 1

    def test_snapshots_are_listed_by_name(self, store: Store) -> None:
        """The newest revision of each, all of them or those of a channel."""
        for name, channel in (("b", "raw"), ("a", None), ("c", "out"), ("b", "raw")):
            store.put_snapshot({"name": name, "channel": channel})
        assert [(snapshot.name, snapshot.revision) for snapshot in store.list_snapshots()] == [
            ("a", 1),
            ("b", 2),
            ("c", 1),
        ]
        assert [snapshot.name for snapshot in store.list_snapshots("raw")] == ["b"]

    def test_references_must_exist(self, store: Store) -> None:
        """The channel, then the event."""
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.put_snapshot({"name": "n", "channel": "nope", "source_event_id": "nope"})
        with refused(EventNotFoundError, "Event not found: nope"):
            store.put_snapshot({"name": "n", "source_event_id": "nope"})
        assert store.list_snapshots() == ()

    def test_a_bad_name_is_refused_for_snapshots(self, store: Store) -> None:
        """A name is a path segment."""
        for name in BAD_NAMES:
            with trying(name), invalid("snapshot.name must be a non-empty path segment."):
                store.put_snapshot({"name": name})

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"metadata": [1]}, "snapshot.metadata must be an object."),
            ({"channel": "a/b"}, "snapshot.channel must be a non-empty path segment."),
            ({"source_event_id": ""}, "snapshot.source_event_id must be a non-empty path segment."),
            ({"timestamp": float("nan")}, ""),
            ({"timestamp": "soon"}, ""),
            ({"schema": 5}, ""),
            ({"sourceEventId": "e"}, "did you mean"),
        ],
        ids=str,
    )
    def test_a_malformed_field_is_refused_for_snapshots(
        self, store: Store, fields: dict[str, Any], text: str
    ) -> None:
        """The text names the field, and nothing is written."""
        with invalid(text):
            store.put_snapshot({"name": "n", **fields})
        assert store.list_snapshots() == ()

    @pytest.mark.parametrize("expected", [-1, True, "1", 1.0])
    def test_a_bad_expectation_is_refused(self, store: Store, expected: Any) -> None:
        """A revision is an integer."""
        with invalid("expected_revision"):
            store.put_snapshot({"name": "n"}, expected_revision=expected)

    @pytest.mark.parametrize("value", [None, 5, "n", [1], {}])
    def test_what_is_no_snapshot_is_refused(self, store: Store, value: Any) -> None:
        """Neither a snapshot nor an object with a name."""
        with pytest.raises(InvalidPayloadError):
            store.put_snapshot(value)

    def test_a_value_that_looks_like_a_snapshot_is_a_value(self, store: Store) -> None:
        """Nothing is guessed."""
        value = {"name": "x", "value": 1, "timestamp": 2.0, "metadata": {}}
        store.put_snapshot({"name": "n", "value": value})
        assert store.get_snapshot("n").value == value

    def test_values_are_owned_by_the_store(self, store: Store) -> None:
        """Neither the argument nor a result is shared."""
        value = {"list": [1]}
        made = store.put_snapshot({"name": "n", "value": value})
        value["list"].append(2)
        made.value["list"].append(3)
        assert store.get_snapshot("n").value == {"list": [1]}

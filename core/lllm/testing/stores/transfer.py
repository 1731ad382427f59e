"""Export, import, backup and check."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from lllm.errors import EventConflictError, InvalidPayloadError, SSSNError
from lllm.store import MemoryStore, Store
from lllm.testing.stores.suite import Suite, fill, invalid, payloads


def exported(store: Store) -> str:
    """Return the export of a store as text."""
    file = io.StringIO()
    store.export(file)
    return file.getvalue()


class TransferTests(Suite):
    """`export`, `import_`, `backup`, `check` and `stats`."""

    @pytest.fixture
    def rich(self, store: Store) -> Store:
        """Return a store with something of everything."""
        store.create_channel({"name": "full", "schema": "s", "form": "queue", "metadata": {"é": ["🙂"]}})
        store.append_events(
            [
                {"id": "a", "channel": "raw", "payload": {"deep": [[1.5, None]]}, "correlation_id": "c"},
                {"id": "b", "channel": "out", "parent_ids": ["a"], "correlation_id": "c", "source": "ü"},
                {"id": "c", "channel": "raw", "kind": "k", "metadata": {"m": 1}, "schema": "s"},
            ]
        )
        fill(store, 5)
        store.create_subscription("raw", subscription_id="w", filters={"kind": "event"}, max_deliveries=5)
        deliveries = store.lease("w", limit=4)
        store.ack(deliveries[2])
        store.nack(deliveries[0], delay=60)
        store.create_subscription("out", subscription_id="v", start="end", dead_letter="full")
        for value in range(3):
            store.put_snapshot({"name": "n", "value": value, "channel": "raw", "source_event_id": "a"})
        store.write_artifact(b"bytes" * 1000, event_ids=["a"], media_type="text/plain")
        store.write_artifact(b"", channel="raw")
        store.set_retention("raw", max_events=100)
        return store

    def test_an_export_is_lines_of_json(self, rich: Store) -> None:
        """A header, then one record a line, events in append order."""
        lines = [json.loads(line) for line in exported(rich).splitlines()]
        assert lines[0] == {"format": "lllm-store-export", "version": 1}
        assert all(set(line) == {"type", "value"} for line in lines[1:])
        assert {line["type"] for line in lines[1:]} == {
            "channel",
            "event",
            "subscription",
            "snapshot",
            "artifact",
            "retention",
        }
        events = [line["value"] for line in lines[1:] if line["type"] == "event"]
        assert [event["id"] for event in events[:3]] == ["a", "b", "c"]

    def test_an_import_reproduces_everything(self, rich: Store, other: Store) -> None:
        """Ids, cursors, revisions, deliveries that wait, and bytes."""
        text = exported(rich)
        other.import_(io.StringIO(text))
        assert exported(other) == text
        assert other.query_events("raw") == rich.query_events("raw")
        assert other.list_channels() == rich.list_channels()
        assert other.list_subscriptions() == rich.list_subscriptions()
        assert other.snapshot_history("n") == rich.snapshot_history("n")
        assert other.list_artifacts() == rich.list_artifacts()
        for artifact in other.list_artifacts():
            assert other.read_artifact(artifact.id) == rich.read_artifact(artifact.id)
        assert other.trace("c") == rich.trace("c")
        assert other.children("a") == rich.children("a")
        assert other.check(deep=True).ok

    def test_an_import_goes_on_where_the_export_stopped(self, rich: Store, other: Store) -> None:
        """New events get the next cursors, new snapshots the next revisions, and nothing is finished twice."""
        other.import_(io.StringIO(exported(rich)))
        assert other.append_event({"channel": "raw"}).cursor == rich.head("raw") + 1
        assert other.put_snapshot({"name": "n"}).revision == 4
        due = other.lease("w")
        assert [delivery.event.cursor for delivery in due] == [1, 3, 5, 6, 7, 8]

    def test_a_backend_of_another_kind_reads_the_export(self, rich: Store) -> None:
        """And exports the same text."""
        text = exported(rich)
        memory = MemoryStore()
        memory.import_(io.StringIO(text))
        assert exported(memory) == text

    def test_files_will_do(self, rich: Store, other: Store, tmp_path: Path) -> None:
        """By path, as text or as a Path."""
        rich.export(str(tmp_path / "export.jsonl"))
        other.import_(tmp_path / "export.jsonl")
        assert exported(other) == exported(rich)

    def test_bytes_can_be_left_out(self, rich: Store, other: Store) -> None:
        """The records are there, the bytes are not."""
        file = io.StringIO()
        rich.export(file, artifacts=False)
        assert "chunk" not in file.getvalue()
        file.seek(0)
        other.import_(file)
        assert other.list_artifacts() == rich.list_artifacts()

    def test_a_repeated_import_changes_nothing(self, rich: Store, other: Store) -> None:
        """What is there already is passed over."""
        text = exported(rich)
        other.import_(io.StringIO(text))
        other.import_(io.StringIO(text))
        assert exported(other) == text

    def test_pruned_channels_keep_their_cursors(self, store: Store, other: Store) -> None:
        """Also those that hold no event any more."""
        fill(store, 5)
        fill(store, 5, channel="out")
        store.set_retention("raw", max_events=0)
        store.set_retention("out", max_events=2)
        store.apply_retention()
        other.import_(io.StringIO(exported(store)))
        assert (other.head("raw"), other.first_cursor("raw")) == (5, 6)
        assert (other.head("out"), other.first_cursor("out")) == (5, 4)
        assert other.append_event({"channel": "raw"}).cursor == 6

    def test_a_conflict_is_an_error_or_skipped(self, store: Store, other: Store) -> None:
        """As the caller wants it."""
        store.append_event({"id": "e", "channel": "raw", "payload": 1})
        text = exported(store)
        other.create_channel({"name": "raw"})
        other.create_channel({"name": "out"})
        other.append_event({"id": "e", "channel": "raw", "payload": 2})
        with pytest.raises(EventConflictError):
            other.import_(io.StringIO(text))
        other.import_(io.StringIO(text), on_conflict="skip")
        assert other.get_event("e").payload == 2

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "garbage\n",
            "{}\n",
            '{"format":"lllm-store-export","version":99}\n',
            '{"format":"lllm-store-export","version":1}\ngarbage\n',
            '{"format":"lllm-store-export","version":1}\n{"type":"nope","value":{}}\n',
            '{"format":"lllm-store-export","version":1}\n{"type":"event"}\n',
            '{"format":"lllm-store-export","version":1}\n{"type":"channel","value":{"name":"a/b"}}\n',
            '{"format":"lllm-store-export","version":1}\n{"type":"event","value":{"channel":"nope"}}\n',
            '{"format":"lllm-store-export","version":1}\n{"type":"artifact","value":{"id":"a","chunk":"?"}}\n',
        ],
    )
    def test_what_is_no_export_is_refused(self, other: Store, text: str) -> None:
        """With an error of the store, whatever is wrong."""
        with pytest.raises(SSSNError):
            other.import_(io.StringIO(text))

    def test_bad_arguments_are_refused_for_transfers(self, store: Store, tmp_path: Path) -> None:
        """The text names the argument."""
        with invalid("on_conflict"):
            store.import_(io.StringIO(""), on_conflict="guess")  # type: ignore[arg-type]
        with pytest.raises(SSSNError):
            store.import_(tmp_path / "missing.jsonl")
        with pytest.raises(SSSNError):
            store.export(tmp_path / "missing" / "export.jsonl")

    def test_a_sound_store_has_no_problems(self, rich: Store) -> None:
        """The check says what it looked at."""
        for deep in (False, True):
            report = rich.check(deep=deep)
            assert (report.ok, report.problems) == (True, ())
            assert report.counts["events"] == 8
            assert report.counts["channels"] == 3
            assert report.counts["artifacts"] == 2

    def test_stats_are_plain_values(self, rich: Store) -> None:
        """Counts, bytes, heads, lags and the durability."""
        stats = rich.stats()
        json.dumps(stats)
        assert stats["counts"]["events"] == 8
        assert stats["channels"]["raw"]["head"] == 7
        assert stats["subscriptions"]["w"]["channel"] == "raw"
        assert stats["durability"] in {"disk", "os", "memory"}
        assert stats["bytes"] >= 0

    def test_capabilities_are_declared(self, store: Store) -> None:
        """A program can ask before it relies on something."""
        capabilities = store.capabilities()
        json.dumps(capabilities)
        assert capabilities["durability"] in {"disk", "os", "memory"}
        for name in ("atomic_commit", "leases", "lineage", "multi_process", "push"):
            assert isinstance(capabilities[name], bool)

    def test_a_backup_is_a_store(self, rich: Store, tmp_path: Path) -> None:
        """It opens like the original and holds the same."""
        if not rich.capabilities().get("backup", True):
            pytest.skip("the store has no backup")
        rich.backup(tmp_path / "backup")
        copy = self.reopen(tmp_path / "backup")
        if copy is None:
            pytest.skip("the store cannot be opened again")
        with copy:
            assert exported(copy) == exported(rich)
            assert copy.check(deep=True).ok
            copy.append_event({"channel": "raw"})
        assert rich.head("raw") == 7

    def test_a_backup_never_overwrites(self, rich: Store, tmp_path: Path) -> None:
        """The destination must be new or empty."""
        if not rich.capabilities().get("backup", True):
            pytest.skip("the store has no backup")
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken" / "file").write_text("mine")
        with pytest.raises(InvalidPayloadError):
            rich.backup(tmp_path / "taken")
        assert (tmp_path / "taken" / "file").read_text() == "mine"

    def test_an_export_of_many_events_keeps_their_order(self, store: Store, other: Store) -> None:
        """Across pages, channels and batches."""
        batch: list[dict[str, Any]] = [
            {"channel": "raw" if number % 3 else "out", "payload": number} for number in range(2500)
        ]
        store.append_events(batch)
        other.import_(io.StringIO(exported(store)))
        assert exported(other) == exported(store)
        assert payloads(other.query_events("out", limit=3)) == [0, 3, 6]

"""Artifacts."""

from __future__ import annotations

import io
import uuid
from hashlib import sha256
from typing import Any

import pytest

from lllm.errors import (
    ArtifactCorruptError,
    ArtifactNotFoundError,
    ChannelNotFoundError,
    EventNotFoundError,
    InvalidPayloadError,
)
from lllm.store import Store
from lllm.testing.stores.suite import BAD_NAMES, Suite, fill, invalid, refused, trying

_DATA = bytes(range(256)) * 5000


class ArtifactTests(Suite):
    """Writing, reading, streaming, listing and deleting artifacts."""

    def test_an_artifact_is_read_back(self, store: Store) -> None:
        """The bytes and every field of the record."""
        store.append_event({"id": "e1", "channel": "raw"})
        made = store.write_artifact(
            b"hello", channel="raw", media_type="text/plain", metadata={"r": (1,)}, event_ids=["e1"]
        )
        digest = sha256(b"hello").hexdigest()
        assert made.model_dump() == {
            "id": made.id,
            "channel": "raw",
            "path": f"artifacts/{digest}",
            "media_type": "text/plain",
            "size": 5,
            "sha256": digest,
            "metadata": {"r": [1]},
            "event_ids": ("e1",),
        }
        assert uuid.UUID(made.id).version == 4
        assert store.get_artifact(made.id) == made
        assert store.read_artifact(made.id) == b"hello"

    @pytest.mark.parametrize(
        "data", [b"", b"x", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"abcd")[::2]]
    )
    def test_any_bytes_will_do(self, store: Store, data: Any) -> None:
        """Also none at all."""
        made = store.write_artifact(data)
        assert store.read_artifact(made.id) == bytes(data)
        assert made.media_type == "application/octet-stream"
        assert b"".join(store.iter_artifact(made.id)) == bytes(data)

    def test_equal_content_is_stored_once_under_many_ids(self, store: Store) -> None:
        """Every write makes a record of its own."""
        first, second = store.write_artifact(b"same"), store.write_artifact(b"same")
        assert first.id != second.id
        assert first.path == second.path
        store.delete_artifact(first.id)
        assert store.read_artifact(second.id) == b"same"

    @pytest.mark.parametrize("data", ["text", None, 5, [1], {"a": 1}])
    def test_what_is_not_bytes_is_refused(self, store: Store, data: Any) -> None:
        """Text has no encoding of its own."""
        with invalid("artifact data must be bytes"):
            store.write_artifact(data)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"metadata": [1]}, "artifact.metadata must be an object."),
            ({"event_ids": "e1"}, "artifact.event_ids must be a list of path segments."),
            ({"event_ids": b"e1"}, "artifact.event_ids must be a list of path segments."),
            ({"event_ids": {"e1": 1}}, "artifact.event_ids must be a list of path segments."),
            ({"event_ids": None}, "artifact.event_ids must be a list of path segments."),
            ({"event_ids": ["a/b"]}, "artifact.event_ids must be a list of path segments."),
            ({"event_ids": 5}, "artifact.event_ids must be a list of path segments."),
            ({"channel": "a/b"}, "artifact.channel must be a non-empty path segment."),
            ({"media_type": "text"}, "artifact"),
            ({"media_type": "text/plain\r\nX: y"}, "artifact"),
            ({"media_type": "text/plain; a=\u00e9"}, "artifact"),
            ({"media_type": 5}, "artifact"),
            ({"metadata": {"a": float("nan")}}, "not JSON serializable"),
        ],
        ids=str,
    )
    def test_bad_arguments_are_refused_for_artifacts(
        self, store: Store, options: dict[str, Any], text: str
    ) -> None:
        """The text names the argument, and no record is made."""
        with invalid(text):
            store.write_artifact(b"x", **options)
        with invalid(text):
            store.write_artifact_stream(io.BytesIO(b"x"), **options)
        assert store.list_artifacts() == ()

    def test_checks_have_an_order_for_artifacts(self, store: Store) -> None:
        """Bytes, metadata, events, the channel, the existence of events."""
        with invalid("artifact data must be bytes"):
            store.write_artifact(5, metadata=5)  # type: ignore[arg-type]
        with invalid("artifact.metadata"):
            store.write_artifact(b"", metadata=5, event_ids=5)  # type: ignore[arg-type]
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.write_artifact(b"", channel="nope", event_ids=["nope"])
        with refused(EventNotFoundError, "Event not found: nope"):
            store.write_artifact(b"", event_ids=["nope"], media_type="bad")

    @pytest.mark.parametrize(
        "media_type", ["text/plain", "text/html; charset=utf-8", "application/vnd.a+json", "a/b;c=d"]
    )
    def test_media_types_are_kept(self, store: Store, media_type: str) -> None:
        """With their parameters."""
        assert (
            store.get_artifact(store.write_artifact(b"", media_type=media_type).id).media_type == media_type
        )

    def test_a_missing_artifact_is_named(self, store: Store) -> None:
        """Every operation says which one; a bad id comes first."""
        calls: list[Any] = [
            store.get_artifact,
            store.read_artifact,
            store.delete_artifact,
            lambda name: list(store.iter_artifact(name)),
            lambda name: store.open_artifact(name).__enter__(),
        ]
        for call in calls:
            with refused(ArtifactNotFoundError, "Artifact not found: nope"):
                call("nope")
            with invalid("artifact.id must be a non-empty path segment."):
                call("a/b")

    def test_a_stream_is_written(self, store: Store) -> None:
        """From a file or from chunks."""
        for source in (
            io.BytesIO(_DATA),
            (_DATA[at : at + 999] for at in range(0, len(_DATA), 999)),
            [_DATA],
        ):
            made = store.write_artifact_stream(source)
            assert (made.size, made.sha256) == (len(_DATA), sha256(_DATA).hexdigest())
            assert store.read_artifact(made.id) == _DATA

    def test_a_stream_with_another_hash_is_refused(self, store: Store) -> None:
        """Nothing is stored."""
        with pytest.raises(ArtifactCorruptError):
            store.write_artifact_stream([b"abc"], sha256=sha256(b"abd").hexdigest())
        assert store.list_artifacts() == ()
        with invalid("sha256"):
            store.write_artifact_stream([b"abc"], sha256="short")
        assert store.write_artifact_stream([b"abc"], sha256=sha256(b"abc").hexdigest().upper()).size == 3

    def test_a_stream_under_its_own_id_can_be_repeated(self, store: Store) -> None:
        """The same content returns the stored record, other content is an error."""
        first = store.write_artifact_stream([b"abc"], artifact_id="mine", media_type="text/plain")
        assert store.write_artifact_stream([b"abc"], artifact_id="mine") == first
        with invalid("mine"):
            store.write_artifact_stream([b"abd"], artifact_id="mine")
        assert store.read_artifact("mine") == b"abc"
        assert store.list_artifacts() == (first,)

    def test_a_bad_id_is_refused_for_artifacts(self, store: Store) -> None:
        """An id is a path segment."""
        for name in BAD_NAMES:
            with trying(name), invalid("artifact.id must be a non-empty path segment."):
                store.write_artifact_stream([b"abc"], artifact_id=name)

    @pytest.mark.parametrize("source", ["text", 5, None, {"a": b"b"}, ["text"], [5]], ids=repr)
    def test_what_is_no_stream_of_bytes_is_refused(self, store: Store, source: Any) -> None:
        """Nothing is stored."""
        with invalid("artifact data must be bytes"):
            store.write_artifact_stream(source)
        assert store.list_artifacts() == ()

    def test_an_artifact_can_be_opened(self, store: Store) -> None:
        """As a binary file that can be searched."""
        made = store.write_artifact(_DATA)
        for verify in (True, False):
            with store.open_artifact(made.id, verify=verify) as file:
                assert file.read(3) == _DATA[:3]
                file.seek(1000)
                assert file.read(3) == _DATA[1000:1003]
                assert len(file.read()) == len(_DATA) - 1003

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            (0, None),
            (0, 10),
            (100, 200),
            (5, 5),
            (10, 5),
            (1_279_990, None),
            (2_000_000, None),
            (0, 9_999_999),
        ],
    )
    def test_a_part_can_be_read(self, store: Store, start: int, stop: int | None) -> None:
        """In chunks, none of them empty."""
        made = store.write_artifact(_DATA)
        chunks = list(store.iter_artifact(made.id, start=start, stop=stop, chunk_size=1000))
        assert b"".join(chunks) == _DATA[start:stop]
        assert all(0 < len(chunk) <= 1000 for chunk in chunks)

    @pytest.mark.parametrize(
        "options", [{"start": -1}, {"stop": -1}, {"chunk_size": 0}, {"start": "0"}], ids=str
    )
    def test_a_bad_part_is_refused_at_once(self, store: Store, options: dict[str, Any]) -> None:
        """Not only when the first chunk is asked for."""
        made = store.write_artifact(b"abc")
        with pytest.raises(InvalidPayloadError):
            store.iter_artifact(made.id, **options)

    def test_artifacts_are_listed_in_the_order_of_writing(self, store: Store) -> None:
        """All of them, or those of a channel or an event."""
        event = fill(store, 1)[0].id
        first = store.write_artifact(b"1", channel="raw")
        second = store.write_artifact(b"2", channel="out", event_ids=[event, event])
        third = store.write_artifact(b"3", event_ids=[event])
        assert store.list_artifacts() == (first, second, third)
        assert store.list_artifacts(channel="out") == (second,)
        assert store.list_artifacts(event_id=event) == (second, third)
        assert store.list_artifacts(event_id=event, channel="raw") == ()
        assert store.list_artifacts(limit=2) == (first, second)
        with invalid("limit must be greater than 0."):
            store.list_artifacts(limit=0)

    def test_garbage_is_what_no_artifact_names(self, store: Store) -> None:
        """It is removed when it is old enough; what is named stays."""
        kept, gone = store.write_artifact(b"kept"), store.write_artifact(b"gone")
        store.delete_artifact(gone.id)
        assert store.collect_garbage()["removed_files"] == 0
        preview = store.collect_garbage(older_than=0, dry_run=True)
        assert (preview["removed_files"], preview["removed_bytes"]) == (1, 4)
        assert preview["paths"] == [gone.path]
        assert store.collect_garbage(older_than=0) == preview
        assert store.collect_garbage(older_than=0)["removed_files"] == 0
        assert store.read_artifact(kept.id) == b"kept"
        assert store.read_artifact(store.write_artifact(b"gone").id) == b"gone"
        with invalid("older_than"):
            store.collect_garbage(older_than=-1)

    def test_records_are_owned_by_the_caller(self, store: Store) -> None:
        """Changing one changes nothing in the store."""
        made = store.write_artifact(b"x", metadata={"list": [1]})
        made.metadata["list"].append(2)
        assert store.get_artifact(made.id).metadata == {"list": [1]}

"""The artifacts of a `BackendStore`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from typing_extensions import override

from lllm.errors import ArtifactNotFoundError, SSSNError
from lllm.store.backed.core import BackedCore
from lllm.store.backend import Writer
from lllm.store.documents import artifact_of
from lllm.store.engine import artifacts
from lllm.store.engine.lookup import require_artifact
from lllm.store.inputs import object_of, seconds, whole_number
from lllm.store.models import Artifact
from lllm.store.names import require_segment, require_segments
from lllm.store.protocol.artifacts import CHUNK_SIZE, ArtifactOperations
from lllm.store.records import artifact_record
from lllm.store.streams import chunks_of, data_of, digest_of, open_payload, ranged, read_payload, verify

__all__ = ["BackedArtifacts"]

_ATTEMPTS = 3


class _CollectedError(Exception):
    """Garbage collection took the bytes before their record was written."""


class BackedArtifacts(ArtifactOperations, BackedCore):
    """Artifacts, on a backend's primitives and its blobs."""

    @override
    def write_artifact(
        self,
        data: bytes | bytearray | memoryview,
        *,
        channel: str | None = None,
        media_type: str = "application/octet-stream",
        metadata: Mapping[str, Any] | None = None,
        event_ids: Iterable[str] = (),
    ) -> Artifact:
        content = data_of(data)
        fields = self._checked_fields(channel, media_type, metadata, event_ids, None)
        for attempt in range(1, _ATTEMPTS + 1):
            blob = self._backend.blobs.write([content])
            try:
                return self._record(artifact_record(**fields, **blob._asdict()))
            except _CollectedError:
                if attempt == _ATTEMPTS:
                    raise _lost() from None
        raise _lost()

    @override
    def write_artifact_stream(
        self,
        source: BinaryIO | Iterable[bytes],
        *,
        channel: str | None = None,
        media_type: str = "application/octet-stream",
        metadata: Mapping[str, Any] | None = None,
        event_ids: Iterable[str] = (),
        sha256: str | None = None,
        artifact_id: str | None = None,
    ) -> Artifact:
        chunks = chunks_of(source)
        expected = digest_of(sha256)
        fields = self._checked_fields(channel, media_type, metadata, event_ids, artifact_id)
        blob = self._backend.blobs.write(chunks, sha256=expected)
        try:
            return self._record(artifact_record(**fields, **blob._asdict()))
        except _CollectedError:
            raise _lost() from None

    @override
    def get_artifact(self, artifact_id: str) -> Artifact:
        require_segment(artifact_id, "artifact.id")
        return artifact_of(self._read(lambda tx: require_artifact(tx, artifact_id)))

    @override
    def read_artifact(self, artifact_id: str) -> bytes:
        artifact = self.get_artifact(artifact_id)
        with open_payload(self._backend.blobs, artifact) as file:
            return read_payload(file, artifact)

    @override
    @contextmanager
    def open_artifact(self, artifact_id: str, *, verify: bool = True) -> Iterator[BinaryIO]:
        artifact = self.get_artifact(artifact_id)
        with open_payload(self._backend.blobs, artifact) as file:
            if verify:
                _verify(file, artifact)
            yield file

    @override
    def iter_artifact(
        self, artifact_id: str, *, start: int = 0, stop: int | None = None, chunk_size: int = CHUNK_SIZE
    ) -> Iterator[bytes]:
        whole_number(start, "start")
        if stop is not None:
            whole_number(stop, "stop")
        whole_number(chunk_size, "chunk_size", least=1)
        artifact = self.get_artifact(artifact_id)
        if self._backend.blobs.size(artifact.path) is None:
            raise ArtifactNotFoundError(f"Artifact payload not found: {artifact_id}")
        return self._chunks(artifact, start, stop, chunk_size)

    @override
    def list_artifacts(
        self, *, channel: str | None = None, event_id: str | None = None, limit: int = 100
    ) -> tuple[Artifact, ...]:
        whole_number(limit, "limit", least=1)
        if channel is not None:
            require_segment(channel, "channel.name")
        if event_id is not None:
            require_segment(event_id, "event.id")
        return tuple(
            self._read(
                lambda tx: artifacts.list_artifacts(tx, channel=channel, event_id=event_id, limit=limit)
            )
        )

    @override
    def delete_artifact(self, artifact_id: str) -> None:
        require_segment(artifact_id, "artifact.id")

        def work(tx: Writer) -> None:
            require_artifact(tx, artifact_id)
            tx.delete_artifact(artifact_id)

        self._write(work)

    @override
    def collect_garbage(self, *, older_than: float = 3600, dry_run: bool = False) -> dict[str, Any]:
        age = seconds(older_than, "older_than")
        blobs = self._backend.blobs

        def work(tx: Writer) -> list[tuple[str, int]]:
            # Inside a transaction, so that no record can be written between the look and the removal.
            kept = tx.artifact_paths()
            newest = time.time() - age
            garbage = [
                (path, size)
                for path, size, changed in blobs.stored()
                if path not in kept and changed <= newest
            ]
            if not dry_run:
                for path, _ in garbage:
                    blobs.remove(path)
            return garbage

        garbage = self._write(work)
        return {
            "removed_files": len(garbage),
            "removed_bytes": sum(size for _, size in garbage),
            "paths": sorted(path for path, _ in garbage),
        }

    def _checked_fields(
        self, channel: object, media_type: object, metadata: object, event_ids: object, artifact_id: object
    ) -> dict[str, Any]:
        """Check everything but the content, in the order of the contract, before the content is written."""
        checked_metadata = object_of(metadata, "artifact.metadata")
        ids = require_segments(event_ids, "artifact.event_ids")
        name = None if channel is None else require_segment(channel, "artifact.channel")
        self._read(lambda tx: artifacts.require_references(tx, name, ids))
        fields: dict[str, Any] = {
            "artifact_id": artifact_id,
            "channel": name,
            "media_type": media_type,
            "metadata": checked_metadata,
            "event_ids": ids,
        }
        record = artifact_record(**fields, path="artifacts/unwritten", size=0, sha256="")
        return {**fields, "metadata": record.metadata}

    def _record(self, artifact: Artifact) -> Artifact:
        blobs = self._backend.blobs

        def work(tx: Writer) -> Artifact:
            if blobs.size(artifact.path) is None:
                raise _CollectedError
            return artifacts.put_artifact(tx, artifact)

        return self._write(work)

    def _chunks(self, artifact: Artifact, start: int, stop: int | None, chunk_size: int) -> Iterator[bytes]:
        with open_payload(self._backend.blobs, artifact) as file:
            yield from ranged(file, artifact, start, stop, chunk_size)


def _verify(file: BinaryIO, artifact: Artifact) -> None:
    verify(file, artifact)


def _lost() -> SSSNError:
    return SSSNError("Artifact payload was collected as garbage while it was written; write it again.")

"""Artifacts: verified bytes beside the events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from lllm.store.models import Artifact

__all__ = ["CHUNK_SIZE", "ArtifactOperations"]

CHUNK_SIZE = 1024 * 1024
"""How many bytes streams hold at once."""


class ArtifactOperations(ABC):
    """The part of the `Store` protocol that concerns artifacts."""

    @abstractmethod
    def write_artifact(
        self,
        data: bytes | bytearray | memoryview,
        *,
        channel: str | None = None,
        media_type: str = "application/octet-stream",
        metadata: Mapping[str, Any] | None = None,
        event_ids: Iterable[str] = (),
    ) -> Artifact:
        """Store bytes durably under a new id; equal bytes are stored once.

        Args:
            data: The bytes.
            channel: Name of an existing channel.
            media_type: `type/subtype`, with parameters.
            metadata: Anything JSON can say.
            event_ids: Ids of existing events.

        Returns:
            The new record.

        Raises:
            InvalidPayloadError: An argument is malformed.
            ChannelNotFoundError: The channel does not exist.
            EventNotFoundError: An event does not exist.
        """

    @abstractmethod
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
        """Store a stream of bytes durably, in constant memory.

        Args:
            source: A binary file, or chunks of bytes.
            channel: Name of an existing channel.
            media_type: `type/subtype`, with parameters.
            metadata: Anything JSON can say.
            event_ids: Ids of existing events.
            sha256: Hash that the content must have, 64 hex digits.
            artifact_id: Id of the record; writing the same content under it again returns the stored record.

        Returns:
            The record.

        Raises:
            InvalidPayloadError: An argument is malformed, or the id is taken by other content.
            ChannelNotFoundError: The channel does not exist.
            EventNotFoundError: An event does not exist.
            ArtifactCorruptError: The content has another hash than `sha256`; nothing is stored.
        """

    @abstractmethod
    def get_artifact(self, artifact_id: str) -> Artifact:
        """Return the record of an artifact.

        Args:
            artifact_id: Its id.

        Raises:
            InvalidPayloadError: The id is no path segment.
            ArtifactNotFoundError: There is no such artifact.
        """

    def read_artifact(self, artifact_id: str) -> bytes:
        """Return the bytes of an artifact, verified.

        Args:
            artifact_id: Its id.

        Raises:
            InvalidPayloadError: The id is no path segment.
            ArtifactNotFoundError: There is no such artifact, or its bytes are gone.
            ArtifactCorruptError: The bytes do not match the recorded size and hash.
        """
        return b"".join(self.iter_artifact(artifact_id))

    @abstractmethod
    def open_artifact(self, artifact_id: str, *, verify: bool = True) -> AbstractContextManager[BinaryIO]:
        """Open the bytes of an artifact for reading, seekable.

        Args:
            artifact_id: Its id.
            verify: Check size and hash before the first byte is handed out.

        Returns:
            A context manager that gives the reader.

        Raises:
            InvalidPayloadError: The id is no path segment.
            ArtifactNotFoundError: There is no such artifact, or its bytes are gone.
            ArtifactCorruptError: The bytes do not match the recorded size and hash.
        """

    @abstractmethod
    def iter_artifact(
        self, artifact_id: str, *, start: int = 0, stop: int | None = None, chunk_size: int = CHUNK_SIZE
    ) -> Iterator[bytes]:
        """Iterate over the bytes of an artifact, in constant memory.

        A complete pass is verified at its end; a part can only be checked for its length.

        Args:
            artifact_id: Its id.
            start: Offset of the first byte.
            stop: Offset behind the last byte; the end when None.
            chunk_size: Length of a chunk in bytes.

        Yields:
            Chunks, none of them empty.

        Raises:
            InvalidPayloadError: An argument is malformed.
            ArtifactNotFoundError: There is no such artifact, or its bytes are gone.
            ArtifactCorruptError: The bytes do not match the recorded size and hash.
        """

    @abstractmethod
    def list_artifacts(
        self, *, channel: str | None = None, event_id: str | None = None, limit: int = 100
    ) -> tuple[Artifact, ...]:
        """Return artifact records in the order of writing.

        Args:
            channel: Only those of this channel.
            event_id: Only those that name this event.
            limit: How many records at most.

        Raises:
            InvalidPayloadError: An argument is malformed.
        """

    @abstractmethod
    def delete_artifact(self, artifact_id: str) -> None:
        """Delete the record of an artifact; `collect_garbage` removes bytes that no record names.

        Args:
            artifact_id: Its id.

        Raises:
            InvalidPayloadError: The id is no path segment.
            ArtifactNotFoundError: There is no such artifact.
        """

    @abstractmethod
    def collect_garbage(self, *, older_than: float = 3600, dry_run: bool = False) -> dict[str, Any]:
        """Remove stored bytes that no artifact names, and leftovers of interrupted writes.

        Args:
            older_than: Only what has not changed for this many seconds.
            dry_run: Only tell what would be removed.

        Returns:
            `removed_files`, `removed_bytes` and `paths`.

        Raises:
            InvalidPayloadError: An argument is malformed.
        """

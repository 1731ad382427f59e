"""The bytes of artifacts on their way: chunks of a source, the wanted part of an answer."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import BinaryIO

from lllm.errors import ArtifactCorruptError, InvalidPayloadError
from lllm.store.protocol.artifacts import CHUNK_SIZE

__all__ = ["Window", "async_chunks_of", "chunks_of", "hash_of"]

_SHA256 = re.compile("[0-9a-f]{64}")


def chunks_of(source: BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a binary file, or the chunks of an iterable.

    Args:
        source: The content.

    Raises:
        InvalidPayloadError: A chunk is not bytes.
    """
    read = getattr(source, "read", None)
    chunks = iter(lambda: read(CHUNK_SIZE), b"") if callable(read) else source
    if isinstance(chunks, str | bytes | bytearray | memoryview) or not isinstance(chunks, Iterable):
        raise InvalidPayloadError("artifact data must be bytes.")
    for chunk in chunks:
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise InvalidPayloadError("artifact data must be bytes.")
        if len(chunk):
            yield bytes(chunk)


async def async_chunks_of(source: BinaryIO | Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the same chunks as `chunks_of`, read in worker threads.

    Args:
        source: The content.

    Raises:
        InvalidPayloadError: A chunk is not bytes.
    """
    chunks = chunks_of(source)
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


class Window:
    """The wanted part of an artifact, cut out of the chunks of an answer; a complete pass is verified.

    Args:
        artifact_id: Id of the artifact, for errors.
        start: Offset of the first byte.
        stop: Offset behind the last byte; the end when None.
    """

    def __init__(self, artifact_id: str, start: int, stop: int | None) -> None:
        self._artifact_id = artifact_id
        self._start = start
        self._stop = stop
        self._position = 0
        self._hash = hashlib.sha256()

    @property
    def empty(self) -> bool:
        """Whether no byte can be in the part."""
        return self._stop is not None and self._stop <= self._start

    @property
    def complete(self) -> bool:
        """Whether the part is the whole artifact."""
        return self._start == 0 and self._stop is None

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for the part."""
        # Compressed on the way, the bytes could not be counted.
        headers = {"Accept-Encoding": "identity"}
        if not self.complete:
            headers["Range"] = f"bytes={self._start}-{'' if self._stop is None else self._stop - 1}"
        return headers

    def begin(self, status: int) -> bool:
        """Note where the answer starts, and return whether it has any bytes of the part.

        Args:
            status: HTTP status: 206 starts with the part, 200 with the artifact, 416 has nothing.
        """
        self._position = self._start if status == 206 else 0
        return status != 416

    def take(self, chunk: bytes) -> bytes:
        """Return what of a chunk belongs to the part.

        Args:
            chunk: The next bytes of the answer.
        """
        if self.complete:
            self._hash.update(chunk)
        first = max(0, self._start - self._position)
        last = len(chunk) if self._stop is None else max(0, self._stop - self._position)
        self._position += len(chunk)
        return chunk[first:last]

    def verify(self, sha256: str | None, size: int | None) -> None:
        """Compare what passed with what is stored.

        Args:
            sha256: Hash of the artifact, None when it is not known.
            size: Length of the artifact in bytes, None when only the hash is known.

        Raises:
            ArtifactCorruptError: Other bytes passed than were stored.
        """
        same_size = size is None or size == self._position
        if not same_size or (sha256 is not None and sha256 != self._hash.hexdigest()):
            raise ArtifactCorruptError(f"Artifact payload is corrupt: {self._artifact_id}")


def hash_of(etag: str | None) -> str | None:
    """Return the hash that an `ETag` header carries, or None.

    Args:
        etag: Value of the header, or None.
    """
    text = (etag or "").strip('"')
    return text if _SHA256.fullmatch(text) else None

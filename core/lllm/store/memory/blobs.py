"""The bytes of artifacts in memory."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from hashlib import sha256 as new_sha256
from typing import BinaryIO

from lllm.errors import ArtifactCorruptError, ArtifactNotFoundError
from lllm.store.blobs import Blob

__all__ = ["MemoryBlobs"]


class MemoryBlobs:
    """`Blobs` in a dictionary."""

    def __init__(self) -> None:
        self.contents: dict[str, tuple[bytes, float]] = {}

    def write(self, chunks: Iterable[bytes | memoryview], *, sha256: str | None = None) -> Blob:
        """Store content and return what it became.

        Args:
            chunks: The content, in order.
            sha256: The hash that the content must have.

        Raises:
            ArtifactCorruptError: The content has another hash; nothing is stored.
        """
        data = b"".join(chunks)
        digest = new_sha256(data).hexdigest()
        if sha256 is not None and sha256 != digest:
            raise ArtifactCorruptError(
                f"Artifact payload is corrupt: it has the sha256 {digest}, not {sha256}"
            )
        path = f"artifacts/{digest}"
        self.contents[path] = (data, time.time())
        return Blob(path, len(data), digest)

    def open(self, path: str) -> BinaryIO:
        """Open content for reading, seekable.

        Args:
            path: Path as in `Blob.path`.

        Raises:
            FileNotFoundError: The bytes are gone.
            ArtifactNotFoundError: The path is not one of this storage.
        """
        if self.size(path) is None:
            raise FileNotFoundError(path)
        return io.BytesIO(self.contents[path][0])

    def size(self, path: str) -> int | None:
        """Return the length of stored content, None when the bytes are gone.

        Args:
            path: Path as in `Blob.path`.

        Raises:
            ArtifactNotFoundError: The path is not one of this storage.
        """
        if not path.startswith("artifacts/") or "/" in path.removeprefix("artifacts/"):
            raise ArtifactNotFoundError("Artifact payload path is outside artifact storage.")
        found = self.contents.get(path)
        return None if found is None else len(found[0])

    def stored(self) -> Iterator[tuple[str, int, float]]:
        """Yield path, size in bytes and unix time of writing of everything stored."""
        for path, (data, changed) in list(self.contents.items()):
            yield path, len(data), changed

    def remove(self, path: str) -> None:
        """Delete content; nothing happens when it is gone already.

        Args:
            path: Path as `stored` yields it.
        """
        self.contents.pop(path, None)

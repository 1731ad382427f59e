"""Content-addressed storage for the bytes of artifacts, as the store engine uses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

__all__ = ["Blob", "Blobs"]


class Blob(NamedTuple):
    """Content that was stored.

    Args:
        path: Name of the content inside the store: `artifacts/<sha256>`.
        size: Length in bytes.
        sha256: Hash of the content, 64 hex digits.
    """

    path: str
    size: int
    sha256: str


class Blobs(Protocol):
    """Immutable contents by their hash. Equal contents are stored once."""

    def write(self, chunks: Iterable[bytes | memoryview], *, sha256: str | None = None) -> Blob:
        """Store content durably and return what it became.

        Args:
            chunks: The content, in order.
            sha256: The hash that the content must have.

        Raises:
            ArtifactCorruptError: The content has another hash; nothing is stored.
        """

    def open(self, path: str) -> BinaryIO:
        """Open content for reading, seekable.

        Args:
            path: Path as in `Blob.path`.

        Raises:
            FileNotFoundError: The bytes are gone.
            ArtifactNotFoundError: The path leads outside the storage.
        """

    def size(self, path: str) -> int | None:
        """Return the length of stored content, None when the bytes are gone."""

    def stored(self) -> Iterator[tuple[str, int, float]]:
        """Yield path, size in bytes and unix time of change of everything stored, leftovers included."""

    def remove(self, path: str) -> None:
        """Delete content; nothing happens when it is gone already."""

"""The bytes of artifacts in a directory: written atomically, shared by hash, never opened twice for writing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import BinaryIO

from lllm.errors import ArtifactCorruptError, ArtifactNotFoundError, SSSNError
from lllm.store.blobs import Blob

__all__ = ["ArtifactFiles"]

_CHUNK = 1024 * 1024
_TEMPORARY = ".writing-"


class ArtifactFiles:
    """`Blobs` in a directory of the file system.

    Content goes to a temporary file beside its place, is flushed, and is renamed; then the directory is
    flushed. A reader never meets a part of it, and a crash leaves at most a temporary file.

    Args:
        directory: The directory, whose name is part of every path; made with the first write.
        durable: Whether to flush to the disk.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory
        self._durable = durable

    def write(self, chunks: Iterable[bytes | memoryview], *, sha256: str | None = None) -> Blob:
        """Store content durably and return what it became.

        Args:
            chunks: The content, in order.
            sha256: The hash that the content must have.

        Raises:
            ArtifactCorruptError: The content has another hash; nothing is stored.
            SSSNError: The content cannot be written.
        """
        temporary = self.directory / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            digest, size = self._fill(temporary, chunks)
            if sha256 is not None and sha256 != digest:
                raise ArtifactCorruptError(
                    f"Artifact payload is corrupt: it has the sha256 {digest}, not {sha256}"
                )
            self._place(temporary, digest, size)
        except OSError as error:
            raise SSSNError(f"Artifact payload cannot be written: {error}") from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        return Blob(f"{self.directory.name}/{digest}", size, digest)

    def open(self, path: str) -> BinaryIO:
        """Open content for reading, seekable.

        Args:
            path: Path as in `Blob.path`.

        Raises:
            FileNotFoundError: The bytes are gone.
            ArtifactNotFoundError: The path leads outside the directory.
        """
        return self._located(path).open("rb")

    def size(self, path: str) -> int | None:
        """Return the length of stored content, None when the bytes are gone.

        Args:
            path: Path as in `Blob.path`.

        Raises:
            ArtifactNotFoundError: The path leads outside the directory.
        """
        try:
            return self._located(path).stat().st_size
        except OSError:
            return None

    def stored(self) -> Iterator[tuple[str, int, float]]:
        """Yield path, size in bytes and unix time of change of every file, leftovers included."""
        with suppress(FileNotFoundError), os.scandir(self.directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False):
                        facts = entry.stat(follow_symlinks=False)
                        yield f"{self.directory.name}/{entry.name}", facts.st_size, facts.st_mtime

    def remove(self, path: str) -> None:
        """Delete content; nothing happens when it is gone already.

        Args:
            path: Path as `stored` yields it.
        """
        try:
            self._located(path).unlink(missing_ok=True)
        except OSError as error:
            raise SSSNError(f"Artifact payload cannot be removed: {error}") from error

    def _located(self, path: str) -> Path:
        directory = self.directory.resolve()
        try:
            place = (directory.parent / path).resolve()
        except (OSError, ValueError, RuntimeError):
            place = directory.parent
        if place == directory or not place.is_relative_to(directory):
            raise ArtifactNotFoundError("Artifact payload path is outside artifact storage.")
        return place

    def _fill(self, temporary: Path, chunks: Iterable[bytes | memoryview]) -> tuple[str, int]:
        digest = new_sha256()
        size = 0
        if not self.directory.is_dir():
            self.directory.mkdir(parents=True, exist_ok=True)
            if self._durable:
                _flush_directory(self.directory.parent)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123
            for chunk in chunks:
                rest = memoryview(chunk)
                digest.update(rest)
                size += len(rest)
                while rest:
                    rest = rest[file.write(rest) :]
            if self._durable:
                os.fsync(descriptor)
        return digest.hexdigest(), size

    def _place(self, temporary: Path, digest: str, size: int) -> None:
        target = self.directory / digest
        if self._holds(target, digest, size):
            # Garbage collection goes by age, and this content is wanted again.
            os.utime(target)
            return
        temporary.replace(target)
        if self._durable:
            _flush_directory(self.directory)

    def _holds(self, target: Path, digest: str, size: int) -> bool:
        try:
            if target.is_symlink() or target.stat().st_size != size:
                return False
            with target.open("rb") as file:
                found = new_sha256()
                while chunk := file.read(_CHUNK):
                    found.update(chunk)
        except FileNotFoundError:
            return False
        return found.hexdigest() == digest


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

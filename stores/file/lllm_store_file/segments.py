"""The files of the log: named after the first position that they may hold, written at the end of the last."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from lllm_store_file.lines import line_of, operations, scan

__all__ = ["Segments", "StaleIndex", "flush_directory", "replace_file"]

_NAME = re.compile(r"(\d{20})\.seg")
_MOST_OPEN = 4
_HEADER = 256
_HINT = 20


class StaleIndex(Exception):
    """What is known of the files is out of date: another process has rewritten or removed one."""


def flush_directory(directory: Path) -> None:
    """Make the names in a directory durable.

    Args:
        directory: The directory.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write data at an offset, in as many steps as the system wants.

    Args:
        descriptor: An open file.
        data: What to write.
        offset: Where, in bytes.
    """
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Put a file in its place at once: readers see the old one or the whole new one.

    Args:
        path: The file.
        data: Its content.
        durable: Whether it must survive power loss.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            write_all(descriptor, data, 0)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()
    if durable:
        flush_directory(path.parent)


class Segments:
    """Reads and writes segments with at most a handful of descriptors. One thread at a time may use it.

    Args:
        directory: The folder `log`.
        lock_path: The lock file; its content names the last segment, so that others need not list the folder.
        read_only: Whether files are opened for reading only.
    """

    def __init__(self, directory: Path, lock_path: Path, *, read_only: bool) -> None:
        self.directory = directory
        self._lock_path = lock_path
        self._mode = (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC
        self._open: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._hint: int | None = None

    def path(self, first: int) -> Path:
        """Return the file of a segment.

        Args:
            first: Its first position.
        """
        return self.directory / f"{first:020d}.seg"

    def names(self) -> list[int]:
        """Return the first positions of all segments, ascending."""
        try:
            with os.scandir(self.directory) as entries:
                found = [_NAME.fullmatch(entry.name) for entry in entries]
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for match in found if match)

    def descriptor(self, first: int) -> tuple[int, int]:
        """Return the descriptor of a segment and its generation, which counts how often it was rewritten.

        Args:
            first: Its first position.

        Raises:
            StaleIndex: There is no such segment any more.
        """
        known = self._open.get(first)
        if known is not None:
            self._open.move_to_end(first)
            return known
        try:
            descriptor = os.open(self.path(first), self._mode)
        except FileNotFoundError:
            raise StaleIndex from None
        while len(self._open) >= _MOST_OPEN:
            os.close(self._open.popitem(last=False)[1][0])
        self._open[first] = opened = descriptor, _generation(os.pread(descriptor, _HEADER, 0))
        return opened

    def generation(self, first: int) -> int:
        """Return how often the segment of that name was rewritten, as the folder has it now.

        Args:
            first: Its first position.

        Raises:
            StaleIndex: There is no such segment any more.
        """
        try:
            with self.path(first).open("rb") as file:
                return _generation(file.read(_HEADER))
        except FileNotFoundError:
            raise StaleIndex from None

    def read(self, first: int, generation: int, start: int, length: int) -> bytes:
        """Return bytes of a segment.

        Args:
            first: Its first position.
            generation: Its generation, when its places were noted.
            start: Where to begin.
            length: How many.

        Raises:
            StaleIndex: The segment was removed or rewritten since.
        """
        descriptor, found = self.descriptor(first)
        if found != generation:
            self.forget(first)
            raise StaleIndex
        return os.pread(descriptor, length, start)

    def rest(self, first: int, start: int) -> bytes:
        """Return everything of a segment from an offset on.

        Args:
            first: Its first position.
            start: The offset.
        """
        descriptor, _ = self.descriptor(first)
        parts: list[bytes] = []
        size = os.fstat(descriptor).st_size
        while start < size and (part := os.pread(descriptor, size - start, start)):
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def size(self, first: int) -> int:
        """Return the length of a segment in bytes.

        Args:
            first: Its first position.
        """
        return os.fstat(self.descriptor(first)[0]).st_size

    def append(self, first: int, data: bytes, offset: int) -> None:
        """Write at the end of the last segment.

        Args:
            first: Its first position.
            data: Whole lines.
            offset: Its end.
        """
        write_all(self.descriptor(first)[0], data, offset)

    def cut(self, first: int, offset: int) -> None:
        """Drop what follows an offset.

        Args:
            first: First position of the segment.
            offset: The offset.
        """
        os.ftruncate(self.descriptor(first)[0], offset)

    def flush(self, first: int) -> None:
        """Make a segment durable.

        Args:
            first: Its first position.
        """
        os.fdatasync(self.descriptor(first)[0])

    def put(self, first: int, generation: int, lines: bytes) -> int:
        """Write a whole segment, in place of the one of that name.

        Args:
            first: Its first position.
            generation: How often it was rewritten.
            lines: What follows its first line.

        Returns:
            Its length in bytes.
        """
        header = line_of(f'[["segment",{{"first":{first},"generation":{generation}}}]]')
        replace_file(self.path(first), header + lines, durable=True)
        self.forget(first)
        return len(header) + len(lines)

    def remove(self, first: int) -> None:
        """Delete a segment.

        Args:
            first: Its first position.
        """
        self.forget(first)
        self.path(first).unlink(missing_ok=True)

    def hint(self) -> bytes:
        """Return the name of the last segment as the last writer noted it; anything else means: look."""
        if self._hint is None:
            try:
                self._hint = os.open(self._lock_path, self._mode)
            except OSError:
                return b""
        return os.pread(self._hint, _HINT, 0)

    def note(self, first: int | None) -> None:
        """Note which segment is the last, None while that changes.

        Args:
            first: Its first position.
        """
        self.hint()
        if self._hint is not None:
            os.pwrite(self._hint, b"%020d" % first if first is not None else b"?" * _HINT, 0)

    def forget(self, first: int) -> None:
        """Close the file of a segment.

        Args:
            first: Its first position.
        """
        opened = self._open.pop(first, None)
        if opened is not None:
            os.close(opened[0])

    def close(self) -> None:
        """Close every file; they are opened again when they are needed."""
        for first in list(self._open):
            self.forget(first)
        hint, self._hint = self._hint, None
        if hint is not None:
            os.close(hint)


def _generation(head: bytes) -> int:
    """Return the generation that the first line of a segment states; -1 when that line is damaged."""
    lines = scan(head[: head.find(b"\n") + 1], 0).lines
    for operation, _, _ in operations(lines[0]) if lines else ():
        if operation[0] == "segment":
            return int(operation[1]["generation"])
    return -1

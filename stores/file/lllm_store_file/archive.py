"""One process's view of a store: its tables, and how far into the log they go."""

from __future__ import annotations

from contextlib import suppress

from lllm.store.process_lock import ProcessLock
from lllm_store_file.checkpoint import read_checkpoint, version_of, write_checkpoint
from lllm_store_file.journal import Journal, encode
from lllm_store_file.layout import Layout
from lllm_store_file.lines import line_of, scan
from lllm_store_file.segments import Segments, StaleIndex
from lllm_store_file.tail import Tail

__all__ = ["SEGMENT_BYTES", "Archive", "FlushError"]

SEGMENT_BYTES = 64 * 1024 * 1024
"""How long a segment grows before the next one begins."""

_CHECKPOINT_BYTES = 8 * 1024 * 1024
_LAST_CHECKPOINT_BYTES = 256 * 1024
_ATTEMPTS = 5


class FlushError(OSError):
    """The disk failed to flush what was written to it."""


class Archive:
    """Tables that follow the log. One thread at a time may use it.

    Args:
        layout: Where the store is.
        lock: The lock between processes.
        read_only: Whether nothing may be written.
        segment_bytes: How long a segment grows.
    """

    def __init__(self, layout: Layout, lock: ProcessLock, *, read_only: bool, segment_bytes: int) -> None:
        self.layout = layout
        self.lock = lock
        self.read_only = read_only
        self.segments = Segments(layout.log, layout.lock, read_only=read_only)
        self.tables = Journal(self.segments)
        self.tables.parts = [Tail(0, 0, 0)]
        self.first = 0
        self.end = 0
        self.problems: list[str] = []
        self._segment_bytes = segment_bytes
        self._size = -1
        self._checkpointed = 0
        self._version: object = None

    def load(self, *, rebuild: bool = False) -> None:
        """Read the checkpoint and the log behind it, or the whole log where that does not fit.

        Args:
            rebuild: Whether to leave the checkpoint alone, because its indexes turned out to be damaged.

        Raises:
            StaleIndex: The files change faster than they can be read.
            OSError: A file cannot be read.
        """
        self.segments.close()
        for _ in range(_ATTEMPTS):
            with suppress(StaleIndex):
                self._load(rebuild=rebuild)
                return
        raise StaleIndex

    def _load(self, *, rebuild: bool) -> None:
        names = self.segments.names()
        if not names:
            return
        self.problems = []
        self._version = version_of(self.layout.state)
        self.tables = Journal(self.segments)
        position = None if rebuild else read_checkpoint(self.layout.state, self.tables)
        if position is None:
            self.tables = Journal(self.segments)
            position = (names[0], 0)
        self.first, self.end = position
        self._begin(position[1])
        self._checkpointed = self.end
        self._follow()

    def _begin(self, start: int) -> None:
        """Add an empty tail for what follows an offset of the last segment."""
        self.tables.parts.append(Tail(self.first, self.segments.descriptor(self.first)[1], start))

    def _follow(self) -> None:
        """Read what follows, to the end of the last segment."""
        self._read_rest()
        for first in self.segments.names():
            if first > self.first:
                self.first, self.end = first, 0
                self._begin(0)
                self._checkpointed = 0
                self._read_rest()

    def _read_rest(self) -> None:
        self._size = self.segments.size(self.first)
        found = scan(self.segments.rest(self.first, self.end), self.end)
        for start, stop in found.damaged:
            self._report(f"{stop - start} bytes at offset {start} are damaged")
        for line in found.lines:
            try:
                self.tables.replay(line)
            except (LookupError, TypeError, ValueError) as error:
                self._report(f"the line at offset {line.start} cannot be followed ({error!r})")
        self.end = self.tables.tail.end = found.end

    def _report(self, problem: str) -> None:
        self.problems.append(f"log/{self.segments.path(self.first).name}: {problem}")

    def changed(self) -> bool:
        """Tell whether somebody may have written since the log was read. Cheap."""
        return self.segments.hint() != b"%020d" % self.first or self.segments.size(self.first) != self._size

    def catch_up(self) -> None:
        """Read what others have written since. The lock between processes is held, or nobody writes.

        Raises:
            StaleIndex: The files change faster than they can be read.
            OSError: A file cannot be read.
        """
        if not self.first or self.segments.hint() != b"%020d" % self.first:
            self._catch_up_slowly()
        elif self.segments.size(self.first) != self._size:
            self._read_rest()

    def _catch_up_slowly(self) -> None:
        try:
            if self.first and self.segments.generation(self.first) == self.tables.tail.generation:
                self._follow()
                return
        except StaleIndex:
            pass
        self.load()

    def prepare(self) -> None:
        """Make ready for writing: catch up, begin the log where there is none, cut what is torn.

        The lock between processes is held for this and for all that follows.

        Raises:
            OSError: A file cannot be read or written.
        """
        self.catch_up()
        if not self.first:
            self._start_segment(1)
        elif self.segments.hint() != b"%020d" % self.first:
            self.segments.note(self.first)
        if self._size > self.end:
            self.segments.cut(self.first, self.end)
            self._size = self.end

    def append(self, data: bytes, *, flush: bool) -> None:
        """Write whole lines; when that fails, nothing of them stays.

        Args:
            data: The lines.
            flush: Whether they must be on the disk before this returns.

        Raises:
            FlushError: The disk failed to flush them.
            OSError: They cannot be written.
        """
        try:
            self.segments.append(self.first, data, self.end)
            if flush:
                self._flush()
        except BaseException:
            self.segments.cut(self.first, self.end)
            raise
        self.end += len(data)
        self._size = self.tables.tail.end = self.end

    def _flush(self) -> None:
        try:
            self.segments.flush(self.first)
        except OSError as error:
            raise FlushError(error.errno, str(error)) from error

    def tidy(self) -> None:
        """After a commit: begin a new segment or write a checkpoint when it is time.

        Raises:
            OSError: A file cannot be written.
        """
        if self.end >= self._segment_bytes:
            self.roll()
        elif self.end - self._checkpointed >= _CHECKPOINT_BYTES:
            self.checkpoint()

    def roll(self) -> None:
        """Begin a new segment.

        Raises:
            OSError: A file cannot be written.
        """
        self.segments.flush(self.first)
        self._start_segment(max(self.tables.last_position(), self.first) + 1)
        self.checkpoint()

    def _start_segment(self, first: int) -> None:
        # While the note says nothing, every process looks for itself, whenever this one dies.
        self.segments.note(None)
        state = line_of(f'[["state",{encode(self.tables.dump())}]]')
        self.end = self._size = self.segments.put(first, 0, state)
        self.first = first
        self.segments.note(first)
        self._begin(self.end)
        self._checkpointed = 0

    def checkpoint(self) -> None:
        """Write a checkpoint, or take over the one that another process has written since.

        Raises:
            OSError: A file cannot be written.
        """
        version = version_of(self.layout.state)
        if version is not None and version != self._version:
            self.load()
            if self.end - self._checkpointed < _LAST_CHECKPOINT_BYTES:
                return
        self.write_checkpoint()

    def write_checkpoint(self) -> None:
        """Write a checkpoint.

        Raises:
            OSError: A file cannot be written.
        """
        # A checkpoint must not go further than what survives power loss.
        self.segments.flush(self.first)
        write_checkpoint(self.layout.state, self.tables, (self.first, self.end))
        self._checkpointed = self.end
        self._version = version_of(self.layout.state)

    def finish(self) -> None:
        """Before closing: write a checkpoint when much has come since the last.

        Raises:
            OSError: A file cannot be written.
            StoreBusyError: Others keep the store locked.
        """
        if not self.read_only and self.first and self.end - self._checkpointed >= _LAST_CHECKPOINT_BYTES:
            with self.lock:
                self.prepare()
                self.checkpoint()

    def close(self) -> None:
        """Close every file; they are opened again when they are needed."""
        self.segments.close()
        self.lock.close()

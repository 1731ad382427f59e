"""The way of a process to one store: its view of the log, its commit queue, and the locks around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TypeVar

from lllm.errors import SSSNError, StoreClosedError
from lllm.store.commit_queue import CommitQueue
from lllm.store.process_lock import ProcessLock
from lllm_store_file.archive import Archive
from lllm_store_file.committer import Committer
from lllm_store_file.journal import Journal
from lllm_store_file.layout import Layout
from lllm_store_file.segments import StaleIndex

__all__ = ["Access"]

T = TypeVar("T")

_ATTEMPTS = 5


class Access:
    """Everything that holds descriptors and locks.

    Args:
        layout: Where the store is.
        timeout: How long to wait for other processes, in seconds.
        read_only: Whether nothing may be written.
        flushes: Whether durable commits are flushed to the disk.
        segment_bytes: How long a segment of the log grows.
    """

    def __init__(
        self, layout: Layout, timeout: float, *, read_only: bool, flushes: bool, segment_bytes: int
    ) -> None:
        self.layout = layout
        self.closed = False
        lock = ProcessLock(layout.lock, timeout)
        self.archive = Archive(layout, lock, read_only=read_only, segment_bytes=segment_bytes)
        self._flushes = flushes
        self._start()

    def _start(self) -> None:
        self.guard = RLock()
        self.committer = Committer(self.archive, self.guard, flushes=self._flushes)
        self.queue = CommitQueue(self.committer.commit)

    def start_again(self) -> None:
        """Go on with new locks in a forked child, whose files are closed; a refusal to write stays."""
        refusal, closed = self.committer.refusal, self.committer.closed
        self._start()
        self.committer.refusal, self.committer.closed = refusal, closed

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep everybody out of a block, with all files closed."""
        with self.queue.alone(), self.guard:
            self.archive.close()
            yield

    def read(self, work: Callable[[Journal], T]) -> T:
        """Run a work on one consistent state.

        Args:
            work: What to do.

        Raises:
            StoreClosedError: The store was closed.
            OSError: A file cannot be read.
        """
        with self.guard:
            if self.closed:
                raise StoreClosedError
            for attempt in range(_ATTEMPTS):
                self.catch_up()
                try:
                    return work(self.archive.tables)
                except StaleIndex:
                    # Another process has rewritten a segment; when that is not it, an index is damaged.
                    with self.shared():
                        self.archive.load(rebuild=attempt > 0)
        raise SSSNError(f"Store failed: the log in `{self.layout.log}` cannot be read.")

    def catch_up(self) -> None:
        """Take in what other processes have committed; they wait meanwhile."""
        archive = self.archive
        if not archive.first and not self.layout.exists():
            return
        try:
            if archive.first and not archive.changed():
                return
        except StaleIndex:
            pass
        with self.shared():
            archive.catch_up()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold off writers: what is in the file but not yet flushed must not be seen."""
        try:
            self.archive.lock.acquire(shared=True)
        except OSError:
            # A directory that nobody can write to has nobody to wait for.
            yield
            return
        try:
            yield
        finally:
            self.archive.lock.release()

    def close(self) -> None:
        """Write a last checkpoint and close every file for good. Closing again does nothing."""
        if not self.closed:
            self.closed = self.committer.closed = True
            with self.queue.alone(), self.guard:
                with suppress(OSError, SSSNError, StaleIndex):
                    if self.committer.refusal is None:
                        self.archive.finish()
                self.archive.close()

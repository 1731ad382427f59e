"""Readers: a few kept connections that all threads share."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lllm_store_sqlite.transaction import SQLiteReader

__all__ = ["ReaderPool", "ReaderSlot"]

_PLACES = 2


class ReaderSlot:
    """One place for a reader, used by one thread at a time.

    Args:
        open_reader: Opens the reader of this place when it is first used.
    """

    def __init__(self, open_reader: Callable[[], SQLiteReader]) -> None:
        self.lock = threading.Lock()
        self._open = open_reader
        self._reader: SQLiteReader | None = None

    @property
    def reader(self) -> SQLiteReader:
        """The reader, opened now when it was not; hold the lock."""
        if self._reader is None:
            self._reader = self._open()
        return self._reader

    def close(self) -> None:
        """Close the reader; hold the lock. The next use opens a new one."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.connection.close()


class ReaderPool:
    """A fixed number of places for readers, so that the descriptors of a store stay few and constant.

    Args:
        open_reader: Opens one reader.
    """

    def __init__(self, open_reader: Callable[[], SQLiteReader]) -> None:
        self._slots = tuple(ReaderSlot(open_reader) for _ in range(_PLACES))
        self._turn = itertools.count()

    @contextmanager
    def reader(self) -> Iterator[SQLiteReader]:
        """Hold any reader for a block."""
        slot = self._take()
        try:
            yield slot.reader
        finally:
            slot.lock.release()

    @contextmanager
    def watcher(self) -> Iterator[SQLiteReader]:
        """Hold the first reader for a block: what one connection sees compares with what it saw before."""
        slot = self._slots[0]
        with slot.lock:
            yield slot.reader

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Close every reader and keep threads out for a block."""
        held = []
        try:
            for slot in self._slots:
                slot.lock.acquire()
                held.append(slot)
                slot.close()
            yield
        finally:
            for slot in held:
                slot.lock.release()

    def _take(self) -> ReaderSlot:
        # From the last place on: the first is the watchers'.
        for slot in reversed(self._slots):
            if slot.lock.acquire(blocking=False):
                return slot
        slot = self._slots[next(self._turn) % _PLACES]
        slot.lock.acquire()
        return slot

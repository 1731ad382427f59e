"""`Backend` in the memory of one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from lllm.errors import SSSNError
from lllm.store.backend import Reader, Writer
from lllm.store.memory.blobs import MemoryBlobs
from lllm.store.memory.tables import MemoryTables

__all__ = ["MemoryBackend"]

T = TypeVar("T")


class MemoryBackend:
    """Rows, documents and bytes in dictionaries; one lock, and an undo list for each transaction."""

    def __init__(self) -> None:
        self.blobs = MemoryBlobs()
        self._tables = MemoryTables()
        self._lock = RLock()
        self._commits = 0

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on one consistent state and return its result.

        Args:
            work: What to do.
        """
        with self._lock:
            return work(self._tables)

    def write(self, work: Callable[[Writer], T], *, durable: bool = True) -> T:
        """Run `work` in a transaction and return its result.

        Args:
            work: What to do; when it raises, its changes are undone.
            durable: Without meaning here.
        """
        with self._lock:
            self._tables.undo.clear()
            try:
                result = work(self._tables)
            except BaseException:
                for undo in reversed(self._tables.undo):
                    undo()
                raise
            self._commits += 1
            return result

    def stamp(self) -> object:
        """Return the number of commits."""
        return self._commits

    def check(self, *, deep: bool) -> list[str]:
        """Return nothing: there is no storage that could be damaged.

        Args:
            deep: Without meaning here.
        """
        return []

    def backup(self, dest: Path) -> None:
        """Refuse: there is no directory to copy.

        Args:
            dest: Without meaning here.

        Raises:
            SSSNError: Always.
        """
        raise SSSNError(f"A memory store cannot be copied to {dest}; use export.")

    def stats(self) -> dict[str, Any]:
        """Return the name, the durability and the bytes of the artifacts."""
        size = sum(size for _, size, _ in self.blobs.stored())
        return {"backend": "memory", "durability": "memory", "bytes": size}

    def capabilities(self) -> dict[str, Any]:
        """Return what the backend offers."""
        return {"durability": "memory", "multi_process": False, "backup": False}

    def close(self) -> None:
        """Drop everything."""
        with self._lock:
            self._tables = MemoryTables()

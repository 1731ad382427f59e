"""The primitives of a store over one SQLite database."""

from __future__ import annotations

import shutil
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from lllm.errors import StoreReadOnlyError
from lllm.store.blobs import Blobs
from lllm.store.commit_queue import Request
from lllm.store.forks import follow_forks
from lllm_store_sqlite.access import Access
from lllm_store_sqlite.connections import Database
from lllm_store_sqlite.faults import store_error, store_error_of_system
from lllm_store_sqlite.maintenance import copy_files, flush, problems, storage_stats
from lllm_store_sqlite.transaction import SQLiteReader, SQLiteWriter

__all__ = ["SQLiteBackend"]

T = TypeVar("T")


class SQLiteBackend:
    """Storage with durable transactions in one SQLite file.

    Args:
        database: Where the database is and how it is to be opened.
        blobs: Where the bytes of artifacts are.
        create: Whether a missing database is created now; otherwise it reads as empty, and the first write
            creates it.

    Raises:
        SSSNError: The database cannot be opened, or is none of ours.
    """

    def __init__(self, database: Database, blobs: Blobs, *, create: bool) -> None:
        self.blobs = blobs
        self._database = database
        self._access = access = Access(database)
        self._closing = weakref.finalize(self, access.close)
        if not database.read_only and (create or database.path.exists()):
            with access.queue.alone():
                access.committer.open()
        follow_forks(access)

    def read(self, work: Callable[[SQLiteReader], T]) -> T:
        """Run a work on one consistent state.

        Args:
            work: Reads; what it returns is returned.

        Raises:
            StoreClosedError: The store was closed.
            SSSNError: The database could not be read.
        """
        self._access.require_open()
        try:
            with self._access.reading() as reader:
                return work(reader)
        except sqlite3.Error as error:
            raise store_error(error, self._database.path) from error

    def write(self, work: Callable[[SQLiteWriter], T], *, durable: bool = True) -> T:
        """Run a work in a transaction, possibly together with those of other threads.

        Args:
            work: Changes the store; it may run on another thread, and again after a failed commit.
            durable: Whether the commit must survive power loss; otherwise it survives a killed process.

        Raises:
            StoreClosedError: The store was closed.
            StoreReadOnlyError: The store takes no writes.
            SSSNError: The commit failed and nothing of it was stored.
        """
        self._access.require_open()
        if self._database.read_only:
            raise StoreReadOnlyError("Store is read-only: it was opened with `read_only=True`.")
        request = Request(work, durable)
        self._access.queue.submit(request)
        if request.error is not None:
            raise request.error
        result: T = request.result
        return result

    def stamp(self) -> object:
        """Return a value that differs from earlier ones once anybody, in any process, has committed."""
        self._access.require_open()
        with self._store_errors():
            return self._access.version()

    def check(self, *, deep: bool) -> list[str]:
        """Return what is wrong with the database itself.

        Args:
            deep: Whether every index is compared with its table too.
        """
        return self.read(lambda reader: problems(reader, deep=deep))

    def backup(self, dest: Path) -> None:
        """Write a consistent copy of the store to a new directory, while others write.

        Args:
            dest: A new or empty directory; it fills only once the copy is complete.

        Raises:
            SSSNError: It is not empty, or cannot be written.
        """
        self._access.require_open()
        with self._store_errors():
            dest.parent.mkdir(parents=True, exist_ok=True)
            unfinished = dest.with_name(f"{dest.name}.{token_hex(4)}.unfinished")
            unfinished.mkdir()
            try:
                paths = self._access.copy(unfinished / self._database.path.name)
                copy_files(paths, self._database.path.parent, unfinished)
                unfinished.rename(dest)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            flush(dest)

    def stats(self) -> dict[str, Any]:
        """Return the figures of the storage as a plain dictionary."""
        self._access.require_open()
        with self._store_errors():
            figures = storage_stats(self._database.path)
        refusal = self._access.committer.refusal
        return {
            "backend": "sqlite",
            "durability": self._database.durability,
            "journal": "wal" if self._access.committer.ahead else "rollback",
            "read_only": self._database.read_only or refusal is not None,
            **({} if refusal is None else {"problem": refusal}),
            **figures,
        }

    def capabilities(self) -> dict[str, Any]:
        """Return what this backend offers."""
        return {"durability": self._database.durability, "multi_process": True}

    def close(self) -> None:
        """Close every connection. Later calls raise StoreClosedError; closing again does nothing."""
        self._closing()

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise store_error(error, self._database.path) from error
        except OSError as error:
            raise store_error_of_system(error, self._database.path) from error

"""The way of a process to one database: its commit queue, its readers, and the lock between processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lllm.errors import StoreClosedError
from lllm.store.commit_queue import CommitQueue
from lllm.store.process_lock import ProcessLock
from lllm_store_sqlite.committer import Committer
from lllm_store_sqlite.connections import Database
from lllm_store_sqlite.faults import store_error_of_system
from lllm_store_sqlite.maintenance import copy_database
from lllm_store_sqlite.opening import empty_reader, open_reader
from lllm_store_sqlite.readers import ReaderPool
from lllm_store_sqlite.transaction import SQLiteReader

__all__ = ["Access"]

# SQLite has locks of its own, but versions up to 3.51.2 can damage a write-ahead log that one connection
# resets while another appends to it; so one more lock is held around every commit and every checkpoint. It has
# a file of its own, because closing any descriptor of the database file would drop SQLite's locks on it.
_LOCK_FILE = "sssn.lock"


class Access:
    """Everything that holds connections, descriptors and locks.

    Args:
        database: Where the database is and how it is to be opened.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.closed = False
        self._missing = not database.path.exists()
        self.start_again()

    def start_again(self) -> None:
        """Begin with new locks and without connections, as a forked child has to."""
        database = self.database
        lock = ProcessLock(database.path.parent / _LOCK_FILE, database.timeout)
        self.committer = Committer(database, lock)
        self.queue = CommitQueue(self.committer.commit)
        self._readers = ReaderPool(self._open_reader)

    def require_open(self) -> None:
        """Raise StoreClosedError once the store was closed, and find a store that was missing."""
        if self.closed:
            raise StoreClosedError
        if self._missing and self.database.path.exists():
            with self._readers.closed():
                self._missing = False

    @contextmanager
    def reading(self) -> Iterator[SQLiteReader]:
        """Hold a reader for a block that sees one consistent state."""
        with self._readers.reader() as reader:
            reader.execute("BEGIN")
            try:
                yield reader
            finally:
                if reader.connection.in_transaction:
                    reader.execute("COMMIT")

    def version(self) -> object:
        """Return a value that changes with every commit that another connection makes."""
        with self._readers.watcher() as reader:
            (version,) = reader.execute("PRAGMA data_version").fetchone()
            return reader, version

    def copy(self, target: Path) -> set[str]:
        """Write a consistent copy of the database.

        Args:
            target: File that does not exist.

        Returns:
            The paths of the artifact files that belong to the copy.
        """
        with self._readers.reader() as reader:
            return copy_database(reader, target)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Close every connection, and keep readers and writers out for a block."""
        with self.queue.alone(), self._readers.closed():
            self.committer.close()
            yield

    def close(self) -> None:
        """Close everything for good. Closing again does nothing."""
        if not self.closed:
            self.closed = self.committer.closed = True
            with self.quiet():
                pass

    def _open_reader(self) -> SQLiteReader:
        if self.closed:
            raise StoreClosedError
        try:
            connection = None if self._missing else open_reader(self.database)
        except OSError as error:
            raise store_error_of_system(error, self.database.path) from error
        self._missing = connection is None
        return SQLiteReader(empty_reader() if connection is None else connection)

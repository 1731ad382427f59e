"""The one connection that commits, and how groups of works become transactions on it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from lllm.errors import SSSNError, StoreBusyError, StoreClosedError, StoreReadOnlyError
from lllm.store.commit_queue import Request
from lllm.store.process_lock import ProcessLock
from lllm_store_sqlite.checkpoints import Checkpoints
from lllm_store_sqlite.connections import Database
from lllm_store_sqlite.faults import failed_flush, store_error, store_error_of_system
from lllm_store_sqlite.log_space import LogSpace
from lllm_store_sqlite.opening import make_directory, open_writer
from lllm_store_sqlite.transaction import SQLiteWriter

__all__ = ["Committer"]

_logger = logging.getLogger("lllm.store.sqlite")

_Outcome: TypeAlias = tuple[object, Exception | None]
"""What a work returned, and what it raised."""


class Committer:
    """Runs works in transactions. One thread at a time may call it; the queue sees to that.

    Args:
        database: Where the database is.
        lock: The lock between processes.
    """

    def __init__(self, database: Database, lock: ProcessLock) -> None:
        self._database = database
        self._lock = lock
        self._writer: SQLiteWriter | None = None
        self._checkpoints: Checkpoints | None = None
        self._space: LogSpace | None = None
        self._level: int | None = None
        self.refusal: str | None = None
        self.ahead = True
        self.closed = False

    def open(self) -> SQLiteWriter:
        """Return the writer, opening the database when it is not open.

        Raises:
            SSSNError: It cannot be opened for writing.
        """
        if self._writer is not None:
            return self._writer
        path = self._database.path
        try:
            make_directory(path.parent)
            with self._lock:
                connection, self.ahead = open_writer(self._database)
        except sqlite3.Error as error:
            raise store_error(error, path) from error
        except OSError as error:
            raise store_error_of_system(error, path) from error
        self._level = None
        self._space = LogSpace(path) if self.ahead and self._database.durability == "disk" else None
        self._checkpoints = Checkpoints(connection, path, self._database.timeout)
        self._writer = SQLiteWriter(connection)
        return self._writer

    def close(self) -> None:
        """Close the connection and the lock; the next commit opens them again."""
        writer, self._writer = self._writer, None
        if writer is not None:
            # Without the lock it is safe too: SQLite folds the log in only where nobody else has the file open.
            with suppress(StoreBusyError, OSError):
                self._lock.acquire()
            writer.connection.close()
        self._lock.close()

    def commit(self, group: list[Request]) -> None:
        """Settle every request of a group.

        Args:
            group: Requests in order of arrival.
        """
        try:
            if self.closed:
                raise StoreClosedError
            if self.refusal is not None:
                raise StoreReadOnlyError(self.refusal)
            writer = self.open()
            self._lock.acquire()
        except SSSNError as error:
            _fail(group, error)
            return
        try:
            self._commit_locked(writer, group)
        finally:
            self._lock.release()

    def _commit_locked(self, writer: SQLiteWriter, group: list[Request]) -> None:
        changes = writer.connection.total_changes
        if len(group) == 1 or not self._together(writer, group):
            for request in group:
                if self.refusal is None:
                    self._alone(writer, request)
                elif not request.settled:
                    request.fail(StoreReadOnlyError(self.refusal))
        changes = writer.connection.total_changes - changes
        if changes and self.ahead and self._checkpoints is not None and self._checkpoints.count(changes):
            try:
                self._checkpoints.run()
            except sqlite3.Error as error:
                _logger.warning("the log of %s could not be folded in: %s", self._database.path, error)
                self._note(error)

    def _alone(self, writer: SQLiteWriter, request: Request) -> None:
        """Settle one request with a transaction of its own."""
        try:
            self._begin(writer, durable=request.durable)
            result = request.work(writer)
            writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back(writer)
            self._note(error)
            request.fail(_chained(store_error(error, self._database.path), error))
        except BaseException as error:
            self._roll_back(writer)
            if not isinstance(error, Exception):
                raise
            request.fail(error)
        else:
            request.succeed(result)

    def _together(self, writer: SQLiteWriter, group: list[Request]) -> bool:
        """Settle a group with one transaction; False when one of them spoils it, and nothing is settled."""
        try:
            # Hardly any work fails, so none is fenced in before one has.
            results = self._transaction(writer, group, _bare) or self._transaction(writer, group, _fenced)
        except sqlite3.Error as error:
            self._roll_back(writer)
            self._note(error)
            return False
        except BaseException:
            self._roll_back(writer)
            raise
        for request, (result, failure) in zip(group, results, strict=True):
            if failure is None:
                request.succeed(result)
            else:
                request.fail(failure)
        return True

    def _transaction(
        self,
        writer: SQLiteWriter,
        group: list[Request],
        run: Callable[[SQLiteWriter, Request], _Outcome | None],
    ) -> list[_Outcome]:
        """Commit the works of a group; an empty list when one has failed and left its changes behind."""
        outcomes: list[_Outcome] = []
        self._begin(writer, durable=any(request.durable for request in group))
        for request in group:
            outcome = run(writer, request)
            if outcome is None:
                self._roll_back(writer)
                return []
            outcomes.append(outcome)
        writer.execute("COMMIT")
        return outcomes

    def _begin(self, writer: SQLiteWriter, *, durable: bool) -> None:
        level = self._database.flush_level(ahead=self.ahead, durable=durable)
        if level != self._level:
            writer.execute(f"PRAGMA synchronous = {level}")
            self._level = level
        writer.begin()
        if durable and self._space is not None:
            self._space.keep_ahead()

    def _roll_back(self, writer: SQLiteWriter) -> None:
        writer.forget()
        if writer.connection.in_transaction:
            with suppress(sqlite3.Error):
                writer.execute("ROLLBACK")

    def _note(self, error: sqlite3.Error) -> None:
        """After a failed flush nothing is certain about the disk, and trying again may seem to succeed."""
        if failed_flush(error):
            self.refusal = (
                f"Store is read-only: flushing `{self._database.path}` to the disk failed ({error}). "
                "What was acknowledged before is safe; check the disk, then open the store again."
            )


def _bare(writer: SQLiteWriter, request: Request) -> _Outcome | None:
    """Run one work of a group; None when it fails."""
    try:
        return request.work(writer), None
    except sqlite3.Error:
        raise
    except Exception:
        return None


def _fenced(writer: SQLiteWriter, request: Request) -> _Outcome:
    """Run one work of a group so that its failure undoes nothing of the others."""
    writer.execute("SAVEPOINT work")
    try:
        result = request.work(writer)
    except sqlite3.Error:
        raise
    except Exception as error:
        writer.execute("ROLLBACK TO work")
        writer.execute("RELEASE work")
        writer.forget()
        return None, error
    writer.execute("RELEASE work")
    return result, None


def _fail(group: list[Request], error: SSSNError) -> None:
    for request in group:
        request.fail(error)


def _chained(error: SSSNError, cause: Exception) -> SSSNError:
    error.__cause__ = cause
    return error

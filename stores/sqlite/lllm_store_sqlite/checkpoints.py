"""When the write-ahead log is folded into the database, so that it stays small.

SQLite can do this by itself, but then it ignores a failed flush. The number of pages in the log is only
told by a checkpoint, so between two of them it is estimated from what was written.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from pathlib import Path

__all__ = ["Checkpoints"]

_PAGES_BETWEEN = 1000
_MOST_PAGES = 16_000
_PAGES_OF_A_COMMIT = 1
_LEAST_PAGES_OF_A_CHANGE, _MOST_PAGES_OF_A_CHANGE = 0.1, 2.0
_RESTART_PATIENCE_MS = 200
_LOW_DISK_BYTES = 256 * 1024 * 1024

_logger = logging.getLogger("lllm.store.sqlite")


class Checkpoints:
    """Decides after each commit whether it is time, for one connection.

    Args:
        connection: The connection that commits.
        path: The database file.
        timeout: How long SQLite waits for other programs otherwise, in seconds.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, timeout: float) -> None:
        self._connection = connection
        self._path = path
        self._timeout = timeout
        self._pages_of_a_change = 0.3
        self._pages = 0.0
        self._commits = 0
        self._changes = 0
        self._log = 0
        self._warned = False

    def count(self, changes: int) -> bool:
        """Count a commit.

        Args:
            changes: How many rows it changed.

        Returns:
            Whether a checkpoint is due.
        """
        self._commits += 1
        self._changes += changes
        self._pages += _PAGES_OF_A_COMMIT + changes * self._pages_of_a_change
        return self._pages >= _PAGES_BETWEEN

    def run(self) -> None:
        """Make a checkpoint; hold the lock between processes.

        Raises:
            sqlite3.Error: The database could not be written or flushed.
        """
        commits, changes = self._commits, self._changes
        # Counted anew even when the checkpoint fails, or every later commit would try it again.
        self._pages, self._commits, self._changes = 0.0, 0, 0
        _, log, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._learn(log, commits, changes)
        if log >= _MOST_PAGES:
            self._restart()
        self._watch_disk()

    def _learn(self, log: int, commits: int, changes: int) -> None:
        written = log - self._log if log >= self._log else log
        self._log = log
        if changes:
            measured = (written - _PAGES_OF_A_COMMIT * commits) / changes
            self._pages_of_a_change = min(max(measured, _LEAST_PAGES_OF_A_CHANGE), _MOST_PAGES_OF_A_CHANGE)

    def _restart(self) -> None:
        """Wait a moment for readers, so that the next commit may start the log from its beginning."""
        execute = self._connection.execute
        execute(f"PRAGMA busy_timeout = {_RESTART_PATIENCE_MS}")
        try:
            execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        finally:
            execute(f"PRAGMA busy_timeout = {int(self._timeout * 1000)}")

    def _watch_disk(self) -> None:
        free = shutil.disk_usage(self._path.parent).free
        if free < _LOW_DISK_BYTES and not self._warned:
            _logger.warning("only %d MiB are free for the store at %s", free >> 20, self._path.parent)
        self._warned = free < _LOW_DISK_BYTES

"""How connections to the database of a store are opened."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

__all__ = ["Database", "Durability"]

Durability = Literal["disk", "os", "memory"]

_WRITER_CACHE_KIB = 32 * 1024
_READER_CACHE_KIB = 8 * 1024
_WAL_KEPT_BYTES = 32 * 1024 * 1024
_NO_SHARED_MEMORY = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_FULL, _NORMAL, _OFF, _EXTRA = 2, 1, 0, 3


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is and how it is to be opened.

    Args:
        path: The database file.
        timeout: How long SQLite waits for other programs, in seconds.
        durability: What a commit survives: power loss (`disk`), a killed process (`os`), or neither.
        read_only: Whether the files must not be written.
        vfs: Name of the SQLite file system layer, None for its default.
    """

    path: Path
    timeout: float
    durability: Durability
    read_only: bool
    vfs: str | None = None

    def writer(self) -> sqlite3.Connection:
        """Open a connection that may write, creating the file when it is missing.

        Returns:
            The connection, in whatever journal mode the file is.
        """
        return self._open(
            "mode=rwc",
            f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}",
            f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}",
            "PRAGMA secure_delete = OFF",
            "PRAGMA temp_store = MEMORY",
        )

    def reader(self) -> sqlite3.Connection:
        """Open a connection that only reads.

        Returns:
            The connection; a missing file is an error.
        """
        pragmas = ("PRAGMA query_only = ON", f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
        if not self.read_only:
            return self._open("mode=rw", *pragmas)
        try:
            return self._open("mode=ro", *pragmas, "SELECT 1 FROM sqlite_schema LIMIT 1")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NO_SHARED_MEMORY or self._has_log():
                raise
        # A directory that may not even hold the shared memory of readers: nobody writes there.
        return self._open("mode=ro&immutable=1", *pragmas)

    def _has_log(self) -> bool:
        log = self.path.with_name(f"{self.path.name}-wal")
        return log.exists() and log.stat().st_size > 0

    def _open(self, options: str, *pragmas: str) -> sqlite3.Connection:
        if self.vfs is not None:
            options += f"&vfs={self.vfs}"
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?{options}",
            timeout=self.timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            uri=True,
        )
        try:
            # Checkpoints are ours to make: they need the lock between processes.
            for pragma in ("PRAGMA wal_autocheckpoint = 0", *pragmas):
                connection.execute(pragma).fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def flush_level(self, *, ahead: bool, durable: bool) -> int:
        """Return the `PRAGMA synchronous` of a commit.

        Args:
            ahead: Whether the connection writes ahead.
            durable: Whether the commit itself must survive power loss.
        """
        if self.durability == "memory":
            return _OFF
        if not ahead:
            # A rollback journal is only gone for good once its directory is flushed too.
            return _EXTRA if self.durability == "disk" else _NORMAL
        return _FULL if durable and self.durability == "disk" else _NORMAL

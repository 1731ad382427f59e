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
        connection = self._open("rwc")
        # Checkpoints are ours to make: they need the lock between processes.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def reader(self) -> sqlite3.Connection:
        """Open a connection that only reads.

        Returns:
            The connection; a missing file is an error.
        """
        connection = self._open("ro" if self.read_only else "rw")
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
            if self.read_only:
                connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if self.read_only and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN:
                return self._frozen_reader()
            raise
        return connection

    def _frozen_reader(self) -> sqlite3.Connection:
        """Read a directory that cannot even hold the shared memory of readers: nobody writes there."""
        return self._open("ro", immutable=True)

    def _open(self, mode: str, *, immutable: bool = False) -> sqlite3.Connection:
        options = f"mode={mode}" + ("&immutable=1" if immutable else "")
        if self.vfs is not None:
            options += f"&vfs={self.vfs}"
        return sqlite3.connect(
            f"file:{quote(str(self.path))}?{options}",
            timeout=self.timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            uri=True,
        )

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

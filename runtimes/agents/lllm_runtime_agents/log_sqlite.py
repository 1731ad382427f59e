"""`SQLiteBackend`: logs in one SQLite file, written by many threads at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

__all__ = ["SQLiteBackend"]

_SCHEMA = "CREATE TABLE IF NOT EXISTS log (key TEXT PRIMARY KEY, data BLOB NOT NULL)"
_PUT = "INSERT INTO log (key, data) VALUES {} ON CONFLICT (key) DO UPDATE SET data = excluded.data"
_MOST_ROWS = 400
"""Rows of one statement; SQLite takes twice as many values in any build."""
_PAGE = "SELECT key, data FROM log WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT 500"


class _Batch:
    """What one caller wants to have written, and what came of it."""

    __slots__ = ("error", "items", "written")

    def __init__(self, items: list[tuple[str, bytes]]) -> None:
        self.items = items
        self.written = False
        self.error: BaseException | None = None


class SQLiteBackend:
    """Logs in one SQLite file.

    Threads that write at the same time share one commit: the first to get hold of the connection writes for all.

    Args:
        db_path: The file, or `:memory:`; its folder is made when it does not exist.
        path: The same under its other name.

    Raises:
        ValueError: No file is given.
    """

    def __init__(self, db_path: str | Path | None = None, *, path: str | Path | None = None) -> None:
        chosen = db_path if db_path is not None else path
        if chosen is None:
            raise ValueError("SQLiteBackend needs `db_path`: the file to keep logs in, or ':memory:'.")
        self.db_path = str(chosen)
        if self.db_path != ":memory:":
            file = Path(self.db_path).expanduser()
            file.parent.mkdir(parents=True, exist_ok=True)
            self.db_path = str(file)
        self._connection_lock = Lock()
        self._waiting_lock = Lock()
        self._waiting: list[_Batch] = []
        self._connection = sqlite3.connect(
            self.db_path, timeout=30.0, isolation_level=None, check_same_thread=False
        )
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", _SCHEMA):
            self._connection.execute(statement).close()

    def __repr__(self) -> str:
        return f"SQLiteBackend({self.db_path!r})"

    def close(self) -> None:
        """Close the file; the backend cannot be used afterwards."""
        with self._connection_lock:
            self._connection.close()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def put(self, key: str, data: bytes) -> None:
        """Store bytes, replacing what was there.

        Args:
            key: The key.
            data: The bytes.
        """
        self.put_all([(key, data)])

    def put_all(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Store several values in one commit.

        Args:
            items: Keys and bytes.
        """
        batch = _Batch(list(items))
        with self._waiting_lock:
            self._waiting.append(batch)
        with self._connection_lock:
            if not batch.written:
                with self._waiting_lock:
                    batches, self._waiting = self._waiting, []
                self._write(batches)
        if batch.error is not None:
            raise batch.error

    def get(self, key: str) -> bytes | None:
        """Return the bytes of a key, or None.

        Args:
            key: The key.
        """
        rows = self._query("SELECT data FROM log WHERE key = ?", (key,))
        return bytes(rows[0][0]) if rows else None

    def list_keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with a text, sorted.

        Args:
            prefix: The text, taken literally.
        """
        # A range instead of LIKE: it uses the index, and `%` and `_` stand for themselves.
        rows = self._query(
            "SELECT key FROM log WHERE key >= ? AND substr(key, 1, ?) = ? ORDER BY key",
            (prefix, len(prefix), prefix),
        )
        return [row[0] for row in rows]

    def delete(self, key: str) -> None:
        """Forget a key.

        Args:
            key: The key.
        """
        self._query("DELETE FROM log WHERE key = ?", (key,))

    def newest(self, prefix: str) -> Iterator[bytes]:
        """Yield the values under a prefix, the highest key first.

        Args:
            prefix: Beginning of the keys, ending in `/`.
        """
        # `0` is the character after `/`. Pages keep a long log out of memory when only its end is wanted.
        end = f"{prefix[:-1]}0"
        while rows := self._query(_PAGE, (prefix, end)):
            yield from (bytes(row[1]) for row in rows)
            end = rows[-1][0]

    def _query(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._connection_lock:
            return self._connection.execute(statement, values).fetchall()

    def _write(self, batches: list[_Batch]) -> None:
        error: BaseException | None = None
        items = [item for batch in batches for item in batch.items]
        try:
            if len(items) <= _MOST_ROWS:
                # A statement of its own commits by itself: one hand-over of the interpreter instead of four.
                self._insert(items)
            else:
                self._insert_in_parts(items)
        except BaseException as raised:
            error = raised
        for batch in batches:
            batch.error = error
            batch.written = True

    def _insert(self, items: list[tuple[str, bytes]]) -> None:
        if items:
            statement = _PUT.format(", ".join(["(?, ?)"] * len(items)))
            self._connection.execute(statement, [value for item in items for value in item]).close()

    def _insert_in_parts(self, items: list[tuple[str, bytes]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for start in range(0, len(items), _MOST_ROWS):
                self._insert(items[start : start + _MOST_ROWS])
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

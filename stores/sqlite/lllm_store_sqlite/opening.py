"""Making a database ready: creating it, upgrading it, or refusing it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from lllm.errors import StoreFormatError
from lllm_store_sqlite.connections import Database
from lllm_store_sqlite.schema import FORMAT, create_tables, format_of

__all__ = ["empty_reader", "make_directory", "open_reader", "open_writer"]


def make_directory(path: Path) -> None:
    """Create a directory and its parents so that they survive power loss.

    Args:
        path: The directory; it may exist.

    Raises:
        OSError: It cannot be created.
    """
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_writer(database: Database) -> tuple[sqlite3.Connection, bool]:
    """Open the connection that commits, with tables of this version behind it.

    Hold the lock between processes: a new database is created here, and one of the reference upgraded.

    Args:
        database: Where it is.

    Returns:
        The connection, and whether it writes ahead (False where the file system cannot share memory).

    Raises:
        StoreFormatError: The file is of a newer version, or not a store at all.
        sqlite3.Error: The file cannot be opened.
    """
    make_directory(database.path.parent)
    connection = database.writer()
    try:
        found = _tables(connection)
        if _is_reference(connection, found):
            from lllm_store_sqlite.upgrade import upgrade

            upgrade(connection, database.path)
        _refuse_strangers(connection, database.path, found)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if not found:
            _create(connection)
    except BaseException:
        connection.close()
        raise
    return connection, mode == "wal"


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    create_tables(connection)
    connection.execute("COMMIT")


def open_reader(database: Database) -> sqlite3.Connection | None:
    """Open a connection that only reads.

    Args:
        database: Where it is.

    Returns:
        The connection, or None while there is no store yet.

    Raises:
        StoreFormatError: The file is of another version, or not a store at all.
        sqlite3.Error: The file cannot be opened.
    """
    if not database.path.exists():
        return None
    connection = database.reader()
    try:
        found = _tables(connection)
        if _is_reference(connection, found):
            raise StoreFormatError(
                f"Unsupported store format: `{database.path}` was written by sssn 0.1; "
                "open it once without `read_only` to upgrade it."
            )
        _refuse_strangers(connection, database.path, found)
    except BaseException:
        connection.close()
        raise
    if found:
        return connection
    connection.close()
    return None


def empty_reader() -> sqlite3.Connection:
    """Open a connection to a store without records, which stands for one that does not exist yet."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    create_tables(connection)
    return connection


def _tables(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    )


def _is_reference(connection: sqlite3.Connection, found: frozenset[str]) -> bool:
    if not found or format_of(connection) != 0:
        return False
    # Hardly any store is one of the reference, and every start would pay for the import.
    from lllm_store_sqlite.upgrade import is_reference

    return is_reference(found)


def _refuse_strangers(connection: sqlite3.Connection, path: Path, found: frozenset[str]) -> None:
    number = format_of(connection)
    if number > FORMAT:
        raise StoreFormatError(
            f"Unsupported store format: `{path}` has format {number} and this version knows {FORMAT}; "
            "install a newer lllm-store-sqlite."
        )
    if found and number < FORMAT:
        raise StoreFormatError(f"Unsupported store format: `{path}` is a database of another program.")

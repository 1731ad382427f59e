"""Looking after a database: its check, its backup and its figures."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from lllm_store_sqlite.schema import FORMAT
from lllm_store_sqlite.transaction import SQLiteReader

__all__ = ["copy_database", "copy_files", "flush", "problems", "storage_stats"]


def problems(reader: SQLiteReader, *, deep: bool) -> list[str]:
    """Return what SQLite finds wrong with the database, a line for each problem.

    Args:
        reader: A reader with an open transaction.
        deep: Whether every index is compared with its table too.
    """
    pragma = "integrity_check" if deep else "quick_check"
    lines = [str(line) for (line,) in reader.execute(f"PRAGMA {pragma}")]
    return [] if lines == ["ok"] else [f"database: {line}" for line in lines]


def copy_database(reader: SQLiteReader, target: Path) -> set[str]:
    """Write a consistent copy of the database while others write.

    Args:
        reader: A reader without an open transaction.
        target: File that does not exist.

    Returns:
        The paths of the artifact files that belong to the copy.
    """
    with closing(sqlite3.connect(target)) as copy:
        reader.connection.backup(copy)
        paths = SQLiteReader(copy).artifact_paths()
    flush(target)
    return paths


def copy_files(paths: Iterable[str], root: Path, target: Path) -> None:
    """Copy the files of artifacts; they never change, so a file is complete or not there at all.

    Args:
        paths: Paths relative to the store.
        root: Directory of the store.
        target: Directory of the copy.
    """
    for path in paths:
        source, copy = root / path, target / path
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            flush(copy)


def flush(path: Path) -> None:
    """Flush a file and the directory that names it.

    Args:
        path: The file.
    """
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def storage_stats(path: Path) -> dict[str, Any]:
    """Return the figures of a database and its directory, in bytes.

    Args:
        path: The database file; a missing one counts as empty.
    """
    log = path.with_name(f"{path.name}-wal")
    existing = next(place for place in (path.parent, *path.parent.parents) if place.is_dir())
    return {
        "bytes": _size(path) + _size(log),
        "log_bytes": _size(log),
        "free_bytes": shutil.disk_usage(existing).free,
        "format": FORMAT,
        "sqlite": sqlite3.sqlite_version,
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

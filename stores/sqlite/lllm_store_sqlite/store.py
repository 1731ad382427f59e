"""`SQLiteStore`: the whole Store protocol over one SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from lllm.store import ArtifactFiles, BackendStore, directory_of
from lllm_store_sqlite.backend import SQLiteBackend
from lllm_store_sqlite.connections import Database, Durability
from lllm_store_sqlite.faults import store_error_of_system
from lllm_store_sqlite.opening import make_directory
from lllm_store_sqlite.schema import DATABASE

__all__ = ["SQLiteStore", "Synchronous", "open_sqlite"]

Synchronous = Literal["full", "normal", "off"]

_DURABILITY: dict[Synchronous, Durability] = {"full": "disk", "normal": "os", "off": "memory"}


class SQLiteStore(BackendStore):
    """A store in a directory: the database `sssn.sqlite`, and the files of artifacts beside it.

    Safe to use from all threads, from several processes at once, and after a fork. The directory, its
    `artifacts` folder and the database are created now, unless `create` is False or `read_only` is True.

    Args:
        root: The directory; `~` is expanded.
        timeout: How long to wait for other processes, in seconds.
        synchronous: What an acknowledged write survives: power loss (`full`), a killed process (`normal`)
            or neither (`off`).
        read_only: Whether writes are refused and the files left alone.
        create: Whether a missing store is created now; otherwise it reads as empty, and the first write
            creates it.
        durability: The same as `synchronous` in the words of every backend (`disk`, `os`, `memory`); it
            counts when both are given.

    Raises:
        ValueError: `root` is no path, or an option has a value that it cannot have.
        SSSNError: The store cannot be opened, or the database is of a newer version or another program.
    """

    def __init__(
        self,
        root: str | Path = ".sssn",
        *,
        timeout: float = 5.0,
        synchronous: Synchronous = "full",
        read_only: bool = False,
        create: bool = True,
        durability: Durability | None = None,
    ) -> None:
        level = _level(synchronous, durability)
        self.root = _root(root)
        self.artifacts_dir = self.root / "artifacts"
        self.db_path = self.root / DATABASE
        database = Database(self.db_path, _seconds(timeout), level, read_only)
        files = ArtifactFiles(self.artifacts_dir, durable=level == "disk")
        super().__init__(SQLiteBackend(database, files, create=create))
        if create and not read_only:
            try:
                make_directory(self.artifacts_dir)
            except OSError as error:
                self.close()
                raise store_error_of_system(error, self.artifacts_dir) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"


def open_sqlite(url: str, **options: Any) -> SQLiteStore:
    """Open the store that a URL names.

    Args:
        url: `sqlite:///absolute/directory`, `sqlite:relative/directory`, or a plain path.
        **options: Keyword arguments of `SQLiteStore`.

    Raises:
        StoreURLError: The URL is malformed.
        ValueError: An option has a value that it cannot have.
        SSSNError: The store cannot be opened.
    """
    return SQLiteStore(directory_of(url), **options)


def _level(synchronous: object, durability: object) -> Durability:
    chosen = next((level for name, level in _DURABILITY.items() if name == synchronous), None)
    if chosen is None:
        raise ValueError("synchronous must be 'full', 'normal' or 'off'")
    if durability is None:
        return chosen
    for level in _DURABILITY.values():
        if durability == level:
            return level
    raise ValueError("durability must be 'disk', 'os' or 'memory'")


def _seconds(timeout: object) -> float:
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and 0 <= timeout < 1e6:
        return float(timeout)
    raise ValueError("timeout must be a number of seconds, 0 or more")


def _root(root: object) -> Path:
    text = str(root) if isinstance(root, Path) else root
    if not isinstance(text, str) or not text or text != text.strip() or "\0" in text:
        raise ValueError("store root must be a non-empty path string")
    return Path(text).expanduser().resolve()

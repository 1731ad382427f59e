"""`FileStore`: the whole Store protocol over an append-only log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from lllm.store import ArtifactFiles, BackendStore, directory_of
from lllm_store_file.access import Access
from lllm_store_file.archive import SEGMENT_BYTES
from lllm_store_file.backend import FileBackend
from lllm_store_file.layout import Layout

__all__ = ["Durability", "FileStore", "open_file"]

Durability = Literal["disk", "os", "memory"]
"""What an acknowledged write survives: power loss, a killed process, or at least the end of the call."""

_LEVELS = ("disk", "os", "memory")


class FileStore(BackendStore):
    """A store in a directory: a log of lines that one can read with `less`, and the files of artifacts.

    Safe to use from all threads, from several processes at once, and after a fork. The directory is created
    now, unless `create` is False or `read_only` is True.

    Args:
        root: The directory; `~` is expanded.
        timeout: How long to wait for other processes, in seconds.
        read_only: Whether writes are refused and the files left alone.
        create: Whether a missing store is created now; otherwise it reads as empty, and the first write
            creates it.
        durability: What an acknowledged write survives: power loss (`disk`) or a killed process (`os`;
            `memory` promises no more, and here it is no less).
        segment_bytes: How long a file of the log grows before the next one begins.

    Raises:
        ValueError: `root` is no path, or an option has a value that it cannot have.
        SSSNError: The store cannot be opened, or is of a newer version.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        timeout: float = 5.0,
        read_only: bool = False,
        create: bool = True,
        durability: Durability = "disk",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        if durability not in _LEVELS:
            raise ValueError("durability must be 'disk', 'os' or 'memory'")
        self.root = _root(root)
        layout = Layout(self.root)
        self.artifacts_dir = layout.artifacts
        access = Access(
            layout,
            _seconds(timeout),
            read_only=read_only,
            flushes=durability == "disk",
            segment_bytes=_bytes(segment_bytes),
        )
        files = ArtifactFiles(layout.artifacts, durable=durability == "disk")
        super().__init__(FileBackend(access, files, durability=durability, create=create))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"


def open_file(url: str, **options: Any) -> FileStore:
    """Open the store that a URL names.

    Args:
        url: `file:///absolute/directory`, `file:relative/directory`, or a plain path.
        **options: Keyword arguments of `FileStore`.

    Raises:
        StoreURLError: The URL is malformed.
        ValueError: An option has a value that it cannot have.
        SSSNError: The store cannot be opened.
    """
    return FileStore(directory_of(url), **options)


def _seconds(timeout: object) -> float:
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and 0 <= timeout < 1e6:
        return float(timeout)
    raise ValueError("timeout must be a number of seconds, 0 or more")


def _bytes(size: object) -> int:
    if isinstance(size, int) and not isinstance(size, bool) and size >= 1024:
        return size
    raise ValueError("segment_bytes must be an integer, 1024 or more")


def _root(root: object) -> Path:
    text = str(root) if isinstance(root, Path) else root
    if not isinstance(text, str) or not text or text != text.strip() or "\0" in text:
        raise ValueError("store root must be a non-empty path string")
    return Path(text).expanduser().resolve()

"""Looking after the files of a store: their check, their backup and their figures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lllm_store_file.archive import Archive
from lllm_store_file.layout import FORMAT
from lllm_store_file.lines import scan
from lllm_store_file.runs import Run
from lllm_store_file.segments import StaleIndex, flush_directory

__all__ = ["copy_file", "open_files", "problems", "storage_stats"]

_CHUNK = 1024 * 1024


def problems(archive: Archive) -> list[str]:
    """Return what is wrong with the log and its indexes, a line for each problem.

    Args:
        archive: The store, locked against other processes.
    """
    found = list(_damage(archive))
    return found + [problem for problem in archive.problems if problem not in found]


def _damage(archive: Archive) -> Iterator[str]:
    segments = archive.segments
    for first in segments.names():
        name = f"log/{segments.path(first).name}"
        result = scan(segments.rest(first, 0), 0)
        for start, stop in result.damaged:
            yield f"{name}: {stop - start} bytes at offset {start} are damaged"
        torn = segments.size(first) - result.end
        if torn and first != archive.first:
            yield f"{name}: {torn} bytes at offset {result.end} are damaged"
    for run in [part for part in archive.tables.parts if isinstance(part, Run)]:
        try:
            run.verify()
        except StaleIndex:
            yield f"state/{run.path.name}: the index is damaged; the next checkpoint replaces it"


def open_files(archive: Archive, stack: ExitStack) -> list[tuple[Path, int, int]]:
    """Open the files of the log, so that they can be copied while others write.

    Args:
        archive: The store, locked against other processes.
        stack: Closes the files.

    Returns:
        Path relative to the store, descriptor, and how many bytes count, of each.
    """
    files: list[tuple[Path, int, int]] = []
    for path in (archive.layout.meta, *(archive.segments.path(first) for first in archive.segments.names())):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, descriptor)
        last = path == archive.segments.path(archive.first)
        size = archive.end if last else os.fstat(descriptor).st_size
        files.append((path.relative_to(archive.layout.root), descriptor, size))
    return files


def copy_file(source: int, size: int, target: Path) -> None:
    """Copy the first bytes of a file durably.

    Args:
        source: Its descriptor.
        size: How many bytes.
        target: File that does not exist.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        at = 0
        while at < size and (data := os.pread(source, min(_CHUNK, size - at), at)):
            file.write(data)
            at += len(data)
        file.flush()
        os.fsync(file.fileno())
    flush_directory(target.parent)


def storage_stats(archive: Archive) -> dict[str, Any]:
    """Return the figures of the directory, in bytes.

    Args:
        archive: The store.
    """
    root = archive.layout.root
    existing = next(place for place in (root, *root.parents) if place.is_dir())
    log = _size(archive.layout.log)
    return {
        "bytes": log + _size(archive.layout.state),
        "log_bytes": log,
        "segments": len(archive.segments.names()),
        "free_bytes": shutil.disk_usage(existing).free,
        "format": FORMAT,
    }


def _size(directory: Path) -> int:
    try:
        with os.scandir(directory) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except FileNotFoundError:
        return 0

"""Checkpoints: what opening a store would otherwise read the whole log for.

A checkpoint is one small file that states how far it goes, everything but the events, and which index files
cover the events. It is never the only copy of anything.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from lllm_store_file.journal import Journal, encode
from lllm_store_file.lines import line_of, sole_operation
from lllm_store_file.runs import Run
from lllm_store_file.segments import Segments, StaleIndex, replace_file
from lllm_store_file.tail import Tail

__all__ = ["Position", "read_checkpoint", "version_of", "write_checkpoint"]

Position = tuple[int, int]
"""A segment, by its first position, and an offset in it."""

_NAME = "checkpoint"


def version_of(directory: Path) -> object:
    """Return a value that changes when a checkpoint is written.

    Args:
        directory: The folder `state`.
    """
    try:
        facts = (directory / _NAME).stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def read_checkpoint(directory: Path, tables: Journal) -> Position | None:
    """Fill empty tables from the checkpoint.

    Args:
        directory: The folder `state`.
        tables: The tables.

    Returns:
        How far the checkpoint goes; None when there is none, or none that fits the log.
    """
    try:
        found = sole_operation((directory / _NAME).read_bytes())
        if found is None:
            return None
        _check_segments(tables.segments, found)
        tables.parts = [Run.open(directory / name) for name in found["runs"]]
    except (OSError, StaleIndex):
        return None
    tables.load(found["state"])
    return found["first"], found["end"]


def _check_segments(segments: Segments, found: dict[str, Any]) -> None:
    """Raise StaleIndex unless the log is the one that a checkpoint was made of."""
    names = [first for first in segments.names() if first <= found["first"]]
    if names != [first for first, _ in found["segments"]]:
        raise StaleIndex
    for first, generation in found["segments"]:
        if segments.generation(first) != generation:
            raise StaleIndex
    if segments.size(found["first"]) < found["end"]:
        raise StaleIndex


def write_checkpoint(directory: Path, tables: Journal, position: Position) -> None:
    """Write everything that is committed, and go on with indexes on disk and an empty tail.

    Args:
        directory: The folder `state`.
        tables: The tables; the store is locked against other processes.
        position: How far they go.

    Raises:
        OSError: A file cannot be written.
    """
    first, end = position
    generation = tables.tail.generation
    runs = [
        Run.write(part, directory) if isinstance(part, Tail) else part for part in tables.parts if len(part)
    ]
    names = [run.path.name for run in runs]
    segments = [[name, tables.segments.generation(name)] for name in tables.segments.names() if name <= first]
    checkpoint = {
        "first": first,
        "end": end,
        "segments": segments,
        "runs": names,
        "state": tables.dump(),
    }
    line = line_of(encode([["checkpoint", checkpoint]]))
    replace_file(directory / _NAME, line, durable=False)
    tables.parts = [*runs, Tail(first, generation, end)]
    kept = {_NAME, *names}
    for path in list(directory.iterdir()):
        if path.name not in kept:
            with suppress(OSError):
                path.unlink()

"""Giving back the bytes of removed events: segments without any are deleted, half-empty ones rewritten."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from lllm_store_file.archive import Archive
from lllm_store_file.event_index import Part
from lllm_store_file.lines import Line, line_of, operations, scan
from lllm_store_file.segments import flush_directory
from lllm_store_file.tail import Tail

__all__ = ["compact"]

_SMALLEST = 64 * 1024


def compact(archive: Archive) -> bool:
    """Drop removed events from every segment where they are at least half of the events.

    Operations other than events are dropped with them: the last segment begins with all that they led to.

    Args:
        archive: The store, which is locked against other processes and ready for writing.

    Returns:
        Whether anything was dropped.

    Raises:
        OSError: A file cannot be read or written.
    """
    wasteful = _wasteful(archive)
    if archive.first in wasteful:
        if archive.end >= _SMALLEST:
            archive.roll()
        else:
            del wasteful[archive.first]
    if not wasteful:
        return False
    for first, kept in wasteful.items():
        if kept:
            _rewrite(archive, first)
        else:
            archive.segments.remove(first)
    flush_directory(archive.layout.log)
    _index(archive, wasteful)
    archive.write_checkpoint()
    return True


def _wasteful(archive: Archive) -> dict[int, int]:
    """Return how many events are kept in each segment of which at least half of the events are gone."""
    total: dict[int, int] = {}
    kept: dict[int, int] = {}
    for part in archive.tables.parts:
        total[part.first] = total.get(part.first, 0) + len(part)
        kept[part.first] = kept.get(part.first, 0) + _kept(part, archive.tables.floors)
    return {first: kept[first] for first in total if total[first] and 2 * kept[first] <= total[first]}


def _kept(part: Part, floors: Mapping[str, int]) -> int:
    return sum(
        len(cursors) - bisect_right(cursors, floors.get(channel, 0)) for channel, cursors in part.by_channel()
    )


def _rewrite(archive: Archive, first: int) -> None:
    """Write a segment again, with nothing but the events that are kept."""
    floors = archive.tables.floors
    _, generation = archive.segments.descriptor(first)
    found = scan(archive.segments.rest(first, 0), 0)
    texts = (_without(line, floors) for line in found.lines)
    archive.segments.put(first, generation + 1, b"".join(line_of(text) for text in texts if text))


def _without(line: Line, floors: Mapping[str, int]) -> str:
    kept = [
        line.text[start:end]
        for operation, start, end in operations(line)
        if operation[0] == "event" and operation[1][1] > floors.get(operation[1][2], 0)
    ]
    return f"[{','.join(kept)}]" if kept else ""


def _index(archive: Archive, changed: Mapping[int, int]) -> None:
    """Replace the indexes of changed segments."""
    tables = archive.tables
    parts: Sequence[Part] = tables.parts
    done: set[int] = set()
    tables.parts = []
    for part in parts:
        if part.first not in changed:
            tables.parts.append(part)
        elif changed[part.first] and part.first not in done:
            done.add(part.first)
            _read_again(archive, part.first)


def _read_again(archive: Archive, first: int) -> None:
    tables = archive.tables
    tables.parts.append(Tail(first, archive.segments.descriptor(first)[1], 0))
    found = scan(archive.segments.rest(first, 0), 0)
    for line in found.lines:
        tables.replay(line)
    tables.tail.end = found.end

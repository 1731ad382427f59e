"""The index of a stretch of a segment on disk: sorted arrays of numbers, each read when it is first needed."""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from lllm_store_file.lines import line_of, sole_operation
from lllm_store_file.segments import StaleIndex, replace_file
from lllm_store_file.tail import Place, Postings, Tail

__all__ = ["Run", "key_of"]

_SECTIONS = {
    "starts": "Q",
    "lengths": "I",
    "checksums": "I",
    "cursors": "Q",
    "ordinals": "I",
    "kind_cursors": "Q",
    "kind_ordinals": "I",
    "ids": "Q",
    "id_ordinals": "I",
    "parents": "Q",
    "parent_ordinals": "I",
    "correlations": "Q",
    "correlation_ordinals": "I",
}


def key_of(name: str) -> int:
    """Return 64 bits of a name. Those of a UUID with a clock in front ascend with the clock.

    Args:
        name: An id of an event, or a correlation id.
    """
    if len(name) == 36 and name[8] == name[13] == name[18] == name[23] == "-" and name.isascii():
        try:
            return int(name[2:8] + name[9:13] + name[15:18] + name[20:23], 16) & 0xFFFFFFFFFFFFFFFF
        except ValueError:
            pass
    return int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


class Run:
    """An index that a checkpoint wrote; it never changes.

    Args:
        path: Its file.
        header: What its first line says.
        offset: Where the arrays begin in the file.
    """

    def __init__(self, path: Path, header: dict[str, Any], offset: int) -> None:
        self.path = path
        self.first: int = header["first"]
        self.generation: int = header["generation"]
        self.start: int = header["start"]
        self.end: int = header["end"]
        self._header = header
        self._offset = offset
        self._channels: dict[str, dict[str, Any]] = header["channels"]
        self._keys: tuple[int, int] = (header["low"], header["high"])
        self._loaded: dict[str, memoryview] = {}

    @classmethod
    def open(cls, path: Path) -> Run:
        """Read the first line of an index.

        Args:
            path: Its file.

        Raises:
            StaleIndex: The file is gone or damaged.
        """
        try:
            with path.open("rb") as file:
                line = file.readline()
        except OSError:
            raise StaleIndex from None
        header = sole_operation(line)
        if header is None:
            raise StaleIndex
        return cls(path, header, len(line))

    @classmethod
    def write(cls, tail: Tail, directory: Path) -> Run:
        """Write the index of committed events.

        Args:
            tail: The events.
            directory: The folder `state`.
        """
        arrays, channels = _arrays(tail)
        sections: dict[str, list[int]] = {}
        parts: list[bytes] = []
        at = 0
        for name, values in arrays.items():
            if sys.byteorder == "big":
                values.byteswap()
            data = values.tobytes()
            sections[name] = [at, len(data), zlib.crc32(data)]
            at += len(data)
            parts.append(data)
        ids = arrays["ids"]
        header = {
            "first": tail.first,
            "generation": tail.generation,
            "start": tail.start,
            "end": tail.end,
            "count": len(tail),
            "low": ids[0] if ids else 0,
            "high": ids[-1] if ids else 0,
            "channels": channels,
            "sections": sections,
        }
        line = line_of(json.dumps([["run", header]], separators=(",", ":")))
        path = directory / f"{tail.first:020d}.{tail.generation}.{tail.start}-{tail.end}.run"
        replace_file(path, line + b"".join(parts), durable=False)
        return cls(path, header, len(line))

    def __len__(self) -> int:
        return int(self._header["count"])

    def section(self, name: str) -> memoryview:
        """Return an array.

        Args:
            name: Its name.

        Raises:
            StaleIndex: The file is gone or damaged.
        """
        values = self._loaded.get(name)
        if values is None:
            at, length, checksum = self._header["sections"][name]
            try:
                with self.path.open("rb") as file:
                    file.seek(self._offset + at)
                    data = file.read(length)
            except OSError:
                raise StaleIndex from None
            if zlib.crc32(data) != checksum or len(data) != length:
                raise StaleIndex
            numbers = array(_SECTIONS[name], data)
            if sys.byteorder == "big":
                numbers.byteswap()
            values = self._loaded[name] = memoryview(numbers)
        return values

    def verify(self) -> None:
        """Read every array.

        Raises:
            StaleIndex: The file is gone or damaged.
        """
        for name in _SECTIONS:
            self.section(name)

    def place(self, ordinal: int) -> Place:
        """Return where an event is."""
        return (
            self.section("starts")[ordinal],
            self.section("lengths")[ordinal],
            self.section("checksums")[ordinal],
        )

    def postings(self, channel: str, kind: str | None) -> Postings | None:
        """Return the events of a channel, of one kind or of all."""
        found = self._channels.get(channel)
        if found is None:
            return None
        if kind is None:
            start, stop = found["all"]
            return self.section("cursors")[start:stop], self.section("ordinals")[start:stop]
        span = found["kinds"].get(kind)
        if span is None:
            return None
        start, stop = span
        return self.section("kind_cursors")[start:stop], self.section("kind_ordinals")[start:stop]

    def by_channel(self) -> Iterator[tuple[str, Sequence[int]]]:
        """Yield every channel with its cursors."""
        for channel, found in self._channels.items():
            start, stop = found["all"]
            yield channel, self.section("cursors")[start:stop]

    def identified(self, event_id: str) -> Sequence[int]:
        """Return the ordinals of events that may have an id."""
        key = key_of(event_id)
        low, high = self._keys
        return self._found("ids", "id_ordinals", key) if low <= key <= high else ()

    def linked(self, parent: str) -> Sequence[int]:
        """Return the ordinals of events that may have a parent."""
        return self._found("parents", "parent_ordinals", key_of(parent))

    def correlated(self, correlation: str) -> Sequence[int]:
        """Return the ordinals of events that may have a correlation id."""
        return self._found("correlations", "correlation_ordinals", key_of(correlation))

    def _found(self, keys: str, ordinals: str, key: int) -> Sequence[int]:
        values = self.section(keys)
        start = bisect_left(values, key)
        if start == len(values) or values[start] != key:
            return ()
        return self.section(ordinals)[start : bisect_right(values, key, start)]


def _arrays(tail: Tail) -> tuple[dict[str, array[int]], dict[str, dict[str, Any]]]:
    values: dict[str, array[int]] = {name: array(code) for name, code in _SECTIONS.items()}
    for start, length, checksum in tail.places:  # type: ignore[misc]
        values["starts"].append(start)
        values["lengths"].append(length)
        values["checksums"].append(checksum)
    channels: dict[str, dict[str, Any]] = {}
    for channel, postings in tail.channels.items():
        span = _append(values["cursors"], values["ordinals"], postings)
        channels[channel] = {"all": span, "kinds": {}}
    for (channel, kind), postings in tail.kinds.items():
        span = _append(values["kind_cursors"], values["kind_ordinals"], postings)
        channels[channel]["kinds"][kind] = span
    _sort(values["ids"], values["id_ordinals"], ((name, (place,)) for name, place in tail.ids.items()))
    _sort(values["parents"], values["parent_ordinals"], tail.children.items())
    _sort(values["correlations"], values["correlation_ordinals"], tail.correlations.items())
    return values, channels


def _append(cursors: array[int], ordinals: array[int], postings: Postings) -> list[int]:
    start = len(cursors)
    cursors.extend(postings[0])
    ordinals.extend(postings[1])
    return [start, len(cursors)]


def _sort(keys: array[int], ordinals: array[int], entries: Iterable[tuple[str, Sequence[int]]]) -> None:
    pairs = sorted((key_of(name), place) for name, places in entries for place in places)
    keys.extend(key for key, _ in pairs)
    ordinals.extend(place for _, place in pairs)

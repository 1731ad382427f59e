"""The lines of the log: `<crc32c as 8 hex> <length> <canonical JSON list of operations>`, one a transaction.

The texts are ASCII, so a place in a text is a place in the file, and no line holds a line break of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lllm_store_file.checksums import crc32c, crc32c_many

__all__ = ["Line", "Scan", "line_of", "operations", "prefix_of", "scan", "sole_operation"]

_LINE = re.compile(rb"([0-9a-f]{8}) ([0-9]{1,15}) (\[.*\])")
_decode = json.JSONDecoder().raw_decode


class Line(NamedTuple):
    """One line that is whole.

    Args:
        start: Where its text begins in the file, in bytes.
        text: The JSON list of operations.
    """

    start: int
    text: str


class Scan(NamedTuple):
    """What a part of a file holds.

    Args:
        lines: The lines that are whole.
        end: Where the last of them ends in the file; what follows is torn.
        damaged: Start and end of what is not whole but has whole lines behind it.
    """

    lines: list[Line]
    end: int
    damaged: list[tuple[int, int]]


def prefix_of(data: bytes) -> bytes:
    """Return what stands before a text in its line.

    Args:
        data: The text, encoded.
    """
    return b"%08x %d " % (crc32c(data), len(data))


def line_of(text: str) -> bytes:
    """Return the line of a list of operations.

    Args:
        text: The list in canonical JSON.
    """
    data = text.encode("ascii")
    return b"%s%s\n" % (prefix_of(data), data)


def scan(data: bytes, base: int) -> Scan:
    """Find the whole lines in a part of a file.

    Args:
        data: The part; it begins with a line.
        base: Where it begins in the file, in bytes.
    """
    found: list[tuple[int, int, int, bytes, int]] = []
    at = 0
    while (stop := data.find(b"\n", at)) >= 0:
        match = _LINE.fullmatch(data, at, stop)
        if match is not None and len(match[3]) == int(match[2]):
            found.append((at, stop + 1, match.start(3), match[3], int(match[1], 16)))
        at = stop + 1
    checksums = crc32c_many([text for _, _, _, text, _ in found])
    lines: list[Line] = []
    damaged: list[tuple[int, int]] = []
    end = 0
    for (at, stop, start, text, expected), checksum in zip(found, checksums, strict=True):
        if checksum == expected:
            if at > end:
                damaged.append((base + end, base + at))
            lines.append(Line(base + start, text.decode("ascii")))
            end = stop
    return Scan(lines, base + end, damaged)


def operations(line: Line) -> Iterator[tuple[list[Any], int, int]]:
    """Yield the operations of a line, each with its start and end in the text.

    Args:
        line: A line that is whole.
    """
    text = line.text
    start = 1
    while text[start] != "]":
        operation, end = _decode(text, start)
        yield operation, start, end
        start = end + (text[end] == ",")


def sole_operation(data: bytes) -> Any:
    """Return the arguments of the one operation in the one line of a small file, None when it is not whole.

    Args:
        data: The file.
    """
    lines = scan(data, 0).lines
    return None if len(lines) != 1 else json.loads(lines[0].text)[0][1]

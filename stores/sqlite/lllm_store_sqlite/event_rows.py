"""Events as the tables keep them: packed ids, numbers for channels, and a seal."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any
from zlib import crc32

from lllm.store.rows import EventRow
from lllm_store_sqlite.ids import pack_id, unpack_id

__all__ = ["COLUMNS", "READ_COLUMNS", "record_of", "row_of_record"]

COLUMNS = "position, channel, cursor, id, kind, timestamp, correlation, seal, body"
"""The columns of an event, in the order of `record_of`."""

# As bytes, so that a damaged text costs one row and not the whole statement.
READ_COLUMNS = COLUMNS.replace("kind", "CAST(kind AS BLOB)")
"""What to select for `row_of_record`."""

_fixed = struct.Struct("<qqqd").pack


def record_of(row: EventRow, channel: int) -> tuple[Any, ...]:
    """Return the columns of an event.

    Args:
        row: The event.
        channel: Number of its channel.
    """
    event_id, cursor, _, timestamp, kind, correlation, body, position = row
    data = body.encode()
    return (
        position,
        channel,
        cursor,
        pack_id(event_id),
        kind,
        timestamp,
        None if correlation is None else pack_id(correlation),
        _seal(row, channel, data),
        data,
    )


def row_of_record(record: tuple[Any, ...], name_of: Callable[[int], str]) -> EventRow:
    """Return the event of a record; one that is damaged has an empty body, which no reader decodes.

    Args:
        record: The `READ_COLUMNS`.
        name_of: Gives the name of a channel by its number.
    """
    position, channel, cursor, packed, kind, timestamp, correlation, seal, body = record
    name = name_of(channel)
    try:
        row: EventRow = (
            unpack_id(packed),
            cursor,
            name,
            timestamp,
            kind.decode(),
            None if correlation is None else unpack_id(correlation),
            body.decode(),
            position,
        )
        # A timestamp that is not finite comes from the reference, and breaks every JSON reader.
        if timestamp - timestamp == 0.0 and _seal(row, channel, body) == seal:
            return row
    except (TypeError, ValueError, AttributeError, struct.error):
        pass
    legible = unpack_id(packed) if isinstance(packed, (bytes, str)) else str(packed)
    return (legible, cursor, name, 0.0, "", None, "", position)


def _seal(row: EventRow, channel: int, body: bytes) -> int:
    """Return the checksum of an event: SQLite would not notice a byte that changed on the disk."""
    event_id, cursor, _, timestamp, kind, correlation, _, position = row
    seal = crc32(_fixed(position, channel, cursor, timestamp))
    seal = crc32(body, crc32(f"{event_id} {kind} {correlation}".encode(), seal))
    # Signed, because SQLite keeps every signed 32-bit number in four bytes.
    return seal - 0x8000_0000

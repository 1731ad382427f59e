"""Events as the tables keep them: packed ids, numbers for channels, and a seal."""

from __future__ import annotations

import struct
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
    packed, data = pack_id(event_id), body.encode()
    linked = None if correlation is None else pack_id(correlation)
    seal = _seal(_fixed(position, channel, cursor, timestamp), packed, kind.encode(), linked, data)
    return (position, channel, cursor, packed, kind, timestamp, linked, seal, data)


def row_of_record(record: tuple[Any, ...], channel: str) -> EventRow:
    """Return the event of a record; one that is damaged has an empty body, which no reader decodes.

    Args:
        record: The `READ_COLUMNS`.
        channel: Name of its channel.
    """
    position, number, cursor, packed, kind, timestamp, linked, seal, body = record
    try:
        # A timestamp that is not finite comes from the reference, and breaks every JSON reader.
        if timestamp - timestamp == 0.0 and seal == _seal(
            _fixed(position, number, cursor, timestamp), packed, kind, linked, body
        ):
            return (
                unpack_id(packed),
                cursor,
                channel,
                timestamp,
                kind.decode(),
                None if linked is None else unpack_id(linked),
                body.decode(),
                position,
            )
    except (TypeError, ValueError, AttributeError, struct.error):
        pass
    legible = unpack_id(packed) if isinstance(packed, (bytes, str)) else str(packed)
    return (legible, cursor, channel, 0.0, "", None, "", position)


def _seal(fixed: bytes, packed: bytes | str, kind: bytes, linked: bytes | str | None, body: bytes) -> int:
    """Return the checksum of an event: SQLite would not notice a byte that changed on the disk."""
    seal = crc32(packed if isinstance(packed, bytes) else packed.encode(), crc32(fixed))
    if linked is not None:
        seal = crc32(linked if isinstance(linked, bytes) else linked.encode(), seal)
    # Signed, because SQLite keeps every signed 32-bit number in four bytes.
    return crc32(body, crc32(kind, seal)) - 0x8000_0000

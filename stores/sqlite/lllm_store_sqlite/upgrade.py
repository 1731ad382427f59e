"""Bringing a store of the reference (sssn 0.1) into the tables of this version."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from lllm.errors import InvalidPayloadError
from lllm.store.backend import SubscriptionRow
from lllm.store.encoding import canonical_json
from lllm.store.rows import EventRow
from lllm_store_sqlite.maintenance import flush
from lllm_store_sqlite.schema import create_tables, format_of
from lllm_store_sqlite.tables import chunks
from lllm_store_sqlite.transaction import SQLiteWriter

__all__ = ["COPY_SUFFIX", "is_reference", "upgrade"]

COPY_SUFFIX = ".sssn-0.1"
"""What is appended to the name of the database for the copy that stays beside it."""

_TABLES = ("channels", "events", "subscriptions", "artifacts", "snapshots")
_ROWS_AT_ONCE = 1000
_SNAPSHOTS_KEPT = 10


def is_reference(tables: Iterable[str]) -> bool:
    """Tell whether tables of these names, without a format number, are those of the reference.

    Args:
        tables: Names of all tables of a database.
    """
    return set(tables) >= set(_TABLES)


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Turn a database of the reference into one of this version, in one transaction.

    Every channel is counted anew from 1 in the old order, and each subscription stands behind as many
    events as before. A copy of the database stays beside it.

    Args:
        connection: Connection that may write.
        path: The database file.
    """
    _keep_copy(connection, path)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        if format_of(connection) == 0:
            _rebuild(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _keep_copy(connection: sqlite3.Connection, path: Path) -> None:
    copy = path.with_name(path.name + COPY_SUFFIX)
    unfinished = copy.with_name(copy.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished)) as target:
        connection.backup(target)
    flush(unfinished)
    unfinished.replace(copy)
    flush(copy)


def _rebuild(connection: sqlite3.Connection) -> None:
    for table in _TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO reference_{table}")
    create_tables(connection)
    writer = SQLiteWriter(connection)
    for name, schema, form, description, metadata in connection.execute(
        "SELECT name, schema_ref, form, description, metadata FROM reference_channels ORDER BY rowid"
    ):
        fields = {"name": name, "schema": schema, "form": form, "description": description}
        writer.put_channel(name, canonical_json({**fields, "metadata": _object(metadata)}))
    _move_events(connection, writer)
    _move_subscriptions(connection, writer)
    _move_artifacts(connection, writer)
    _move_snapshots(connection, writer)
    for table in _TABLES:
        connection.execute(f"DROP TABLE reference_{table}")


def _move_events(connection: sqlite3.Connection, writer: SQLiteWriter) -> None:
    records = connection.execute(
        """SELECT id, channel, timestamp, source, kind, payload, schema_ref, metadata, correlation_id,
        parent_ids FROM reference_events ORDER BY rowid"""
    )
    for chunk in chunks(_event_rows(writer, records), _ROWS_AT_ONCE):
        links = [(parent, index) for index, (_, parents) in enumerate(chunk) for parent in parents]
        writer.insert_events([row for row, _ in chunk], links)


def _event_rows(
    writer: SQLiteWriter, records: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[EventRow, list[str]]]:
    cursors: dict[str, int] = {}
    position, now = 0, time.time_ns() // 1000
    for (
        name,
        channel,
        timestamp,
        source,
        kind,
        payload,
        schema,
        metadata,
        correlation_id,
        parent_ids,
    ) in records:
        if writer.number_of(channel) is None:
            continue
        cursors[channel] = cursor = cursors.get(channel, 0) + 1
        position = max(position + 1, _append_time(timestamp, now))
        parents = [parent for parent in _list(parent_ids) if isinstance(parent, str)]
        body = _body(payload, [source, schema, _object(metadata), parents])
        yield (name, cursor, channel, timestamp, kind, correlation_id, body, position), parents


def _append_time(timestamp: float, now: int) -> int:
    """Return when an event was probably appended, in microseconds: its own time, where that can be."""
    if timestamp - timestamp == 0.0:
        return min(max(int(timestamp * 1e6), 0), now)
    return 0


def _body(payload: str | None, rest: list[Any]) -> str:
    while rest and rest[-1] in (None, {}, []):
        rest.pop()
    try:
        return canonical_json([None if payload is None else json.loads(payload), *rest])
    except (ValueError, InvalidPayloadError):
        # What cannot be written by today's rules is kept as it is, for readers to skip and for check to count.
        return f"!{payload}"


def _move_subscriptions(connection: sqlite3.Connection, writer: SQLiteWriter) -> None:
    for name, channel, cursor, consumer, batch_size, filters, metadata in connection.execute(
        """SELECT id, channel, cursor, consumer, batch_size, filters, metadata
        FROM reference_subscriptions ORDER BY rowid"""
    ).fetchall():
        fields = {"id": name, "channel": channel, "consumer": consumer, "batch_size": batch_size}
        chosen = _object(filters)
        doc = canonical_json({**fields, "filters": chosen, "metadata": _object(metadata)})
        (floor,) = connection.execute(
            "SELECT count(*) FROM reference_events WHERE channel = ? AND rowid <= ?", (channel, cursor)
        ).fetchone()
        kind = chosen.get("kind")
        writer.add_subscription(
            SubscriptionRow(0, name, channel, kind, doc, floor, floor, 0, 0, secrets.token_hex(16))
        )


def _move_artifacts(connection: sqlite3.Connection, writer: SQLiteWriter) -> None:
    for name, channel, path, media_type, size, digest, metadata, event_ids in connection.execute(
        """SELECT id, channel, path, media_type, size, sha256, metadata, event_ids
        FROM reference_artifacts ORDER BY rowid"""
    ):
        fields = {"id": name, "channel": channel, "path": path, "media_type": media_type, "size": size}
        events = [event for event in _list(event_ids) if isinstance(event, str)]
        doc = canonical_json({**fields, "sha256": digest, "metadata": _object(metadata), "event_ids": events})
        writer.put_artifact(name, channel, path, events, doc)


def _move_snapshots(connection: sqlite3.Connection, writer: SQLiteWriter) -> None:
    for name, channel, timestamp, value, schema, source_event_id, metadata in connection.execute(
        """SELECT name, channel, timestamp, value, schema_ref, source_event_id, metadata
        FROM reference_snapshots ORDER BY rowid"""
    ):
        fields = {"name": name, "channel": channel, "timestamp": _finite(timestamp), "schema": schema}
        doc = canonical_json(
            {
                **fields,
                "value": _value(value),
                "source_event_id": source_event_id,
                "metadata": _object(metadata),
                "revision": 1,
            }
        )
        writer.put_snapshot(name, 1, channel, doc, _SNAPSHOTS_KEPT)


def _finite(timestamp: float) -> float:
    return timestamp if timestamp - timestamp == 0.0 else 0.0


def _value(text: str | None) -> Any:
    """Return a stored value as today's rules allow it, None where they do not."""
    try:
        value = json.loads(text or "null")
        canonical_json(value)
    except (ValueError, InvalidPayloadError):
        return None
    return value


def _object(text: str | None) -> dict[str, Any]:
    value = _value(text)
    return value if isinstance(value, dict) else {}


def _list(text: str | None) -> list[Any]:
    value = _value(text)
    return value if isinstance(value, list) else []

"""Events on their way into a backend and out of it.

This is the hot path of every store: one pass copies and checks a payload, one call into pydantic-core
writes it, and models are put together from checked parts without validating them again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, TypeAlias

from lllm.assembly import set_extra, set_fields_set, set_private, set_values
from lllm.store.encoding import decode_json, json_form, plain_text
from lllm.store.ids import new_id
from lllm.store.models import Event
from lllm.store.names import is_new_name, known_name

__all__ = [
    "Draft",
    "EventRow",
    "content_digest",
    "event_of",
    "events_of",
    "quick_draft",
    "row_of",
    "same_content",
    "trusted_draft",
]

EventRow: TypeAlias = tuple[str, int, str, float, str, str | None, str, int]
"""A stored event: id, cursor, channel, timestamp, kind, correlation_id, body, position.

`body` is the canonical JSON array `[payload, source, schema, metadata, parent_ids]` without trailing
defaults. `position` is the store-wide append order, and the append time in unix microseconds.
"""


Draft: TypeAlias = tuple[Event, str, bool]
"""An event that passed every check and waits for its cursor.

The event in its JSON form, owned by the store; its body as in `EventRow`; whether the caller named the
timestamp, so that a repeat must name the same. A plain tuple, because one is made for every event.
"""

_logger = logging.getLogger("lllm.store")
# One for all events: every field is set, so nothing is ever added, and a copy for each would weigh more than it says.
_FIELDS = set(Event.model_fields)
_ABSENT = object()
_TEMPLATE: dict[str, Any] = {
    "id": _ABSENT,
    "cursor": None,
    "channel": None,
    "timestamp": 0.0,
    "source": None,
    "kind": "event",
    "payload": None,
    "schema_ref": None,
    "metadata": {},
    "correlation_id": None,
    "parent_ids": (),
}
_LISTS = frozenset({tuple, list})
_CURSORS = frozenset({int, type(None)})
_DAMAGE = (ValueError, TypeError, IndexError, KeyError)
_MAX_REPORTED = 1000
_reported: set[tuple[str, int, str]] = set()
_new_event = Event.__new__


def _event(values: dict[str, Any]) -> Event:
    """Put an event together from checked values; what `model_construct` does, at a sixth of the price."""
    event = _new_event(Event)
    set_values(event, values)
    set_fields_set(event, _FIELDS)
    set_extra(event, None)
    set_private(event, None)
    return event


def quick_draft(values: Mapping[str, Any], *, timed: bool, now: float) -> Draft | None:
    """Return the draft of an event whose fields already have their final types, else None.

    Args:
        values: Fields by name; nothing of it is kept.
        timed: Whether the caller named the timestamp.
        now: Timestamp of an event without one, in unix seconds.

    Returns:
        The draft, or None when a field needs conversion or is wrong: full validation decides which.

    Raises:
        InvalidPayloadError: The payload, the metadata or a text has no JSON form.
    """
    fields = {**_TEMPLATE, **values}
    if "schema" in fields:
        fields["schema_ref"] = fields.pop("schema")
    if len(fields) != len(_TEMPLATE) or not _is_final(fields):
        return None
    if fields["id"] is _ABSENT:
        fields["id"] = new_id()
    if not timed:
        fields["timestamp"] = now
    return _draft(fields, timed)


def trusted_draft(values: Mapping[str, Any]) -> Draft:
    """Return the draft of an event whose names a store accepted before, perhaps under older rules.

    Args:
        values: Fields by name, with at least `id`, `channel` and `timestamp`.

    Raises:
        InvalidPayloadError: The payload, the metadata or a text has no JSON form.
    """
    return _draft({**_TEMPLATE, **values}, timed=True)


def _draft(fields: dict[str, Any], timed: bool) -> Draft:
    fields["cursor"] = None
    fields["payload"] = payload = json_form(fields["payload"])
    metadata = fields["metadata"]
    fields["metadata"] = metadata = json_form(metadata) if metadata else {}
    parents = fields["parent_ids"]
    if parents != ():
        fields["parent_ids"] = parents = tuple(parents)
    return _event(fields), _body(payload, fields["source"], fields["schema_ref"], metadata, parents), timed


def _is_final(fields: dict[str, Any]) -> bool:
    """Tell whether no field needs conversion, by exact types: the common case, decided in a microsecond."""
    channel, kind, event_id = fields["channel"], fields["kind"], fields["id"]
    source, schema, correlation_id = fields["source"], fields["schema_ref"], fields["correlation_id"]
    timestamp, parents = fields["timestamp"], fields["parent_ids"]
    return (
        type(channel) is str
        and known_name(channel)
        and type(kind) is str
        and known_name(kind)
        and (event_id is _ABSENT or (type(event_id) is str and is_new_name(event_id)))
        and type(timestamp) is float
        and timestamp - timestamp == 0.0
        and (source is None or type(source) is str)
        and (schema is None or type(schema) is str)
        and (correlation_id is None or (type(correlation_id) is str and is_new_name(correlation_id)))
        and type(fields["metadata"]) is dict
        and (parents == () or (type(parents) in _LISTS and all(map(is_new_name, parents))))
        and type(fields["cursor"]) in _CURSORS
    )


def _body(
    payload: Any, source: str | None, schema: str | None, metadata: dict[str, Any], parents: tuple[str, ...]
) -> str:
    if parents:
        return plain_text([payload, source, schema, metadata, parents])
    if metadata:
        return plain_text([payload, source, schema, metadata])
    if schema is not None:
        return plain_text([payload, source, schema])
    return plain_text([payload] if source is None else [payload, source])


def row_of(draft: Draft, cursor: int, position: int) -> EventRow:
    """Give a draft its place and return the row to store.

    Args:
        draft: The draft; its event gets the cursor.
        cursor: Place in the channel.
        position: Place in the store.
    """
    event, body, _ = draft
    values = event.__dict__
    values["cursor"] = cursor
    return (
        values["id"],
        cursor,
        values["channel"],
        values["timestamp"],
        values["kind"],
        values["correlation_id"],
        body,
        position,
    )


def event_of(row: EventRow) -> Event:
    """Return the event that a row holds.

    Args:
        row: The row, as a backend returned it.

    Raises:
        ValueError: The body is damaged.
        TypeError: The body is damaged.
    """
    parts = decode_json(row[6])
    count = len(parts)
    return _event(
        {
            "id": row[0],
            "cursor": row[1],
            "channel": row[2],
            "timestamp": row[3],
            "source": parts[1] if count > 1 else None,
            "kind": row[4],
            "payload": parts[0],
            "schema_ref": parts[2] if count > 2 else None,
            "metadata": parts[3] if count > 3 else {},
            "correlation_id": row[5],
            "parent_ids": tuple(parts[4]) if count > 4 else (),
        }
    )


def events_of(rows: Iterable[EventRow]) -> list[Event]:
    """Return the events of the rows that can be decoded; each of the others is logged once.

    Args:
        rows: Rows, as a backend returned them.
    """
    events: list[Event] = []
    for row in rows:
        try:
            events.append(event_of(row))
        except _DAMAGE:
            _report(row)
    return events


def _report(row: EventRow) -> None:
    key = row[:3]
    if key not in _reported and len(_reported) < _MAX_REPORTED:
        _reported.add(key)
        _logger.warning("event %r at cursor %r of channel %r cannot be decoded and is skipped", *key)


def same_content(row: EventRow, draft: Draft) -> bool:
    """Tell whether a stored event and a draft of the same id are one event.

    Args:
        row: The stored event.
        draft: The event that is offered.
    """
    event, body, timed = draft
    return (
        row[6] == body
        and row[2] == event.channel
        and row[4] == event.kind
        and row[5] == event.correlation_id
        and not (timed and row[3] != event.timestamp)
    )


def content_digest(row: EventRow) -> str:
    """Return what is remembered of an event's content once the event itself is removed.

    Args:
        row: The event; id, cursor, timestamp and position do not count.

    Returns:
        32 hex digits.
    """
    text = plain_text([row[2], row[4], row[5], row[6]])
    return sha256(text.encode()).hexdigest()[:32]

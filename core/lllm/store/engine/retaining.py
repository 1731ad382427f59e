"""Removing the oldest events of a channel, and remembering that they were there."""

from __future__ import annotations

from typing import NamedTuple

from lllm.store.backend import Reader, RemovedRow, Writer
from lllm.store.documents import retention_of
from lllm.store.engine.lookup import require_head
from lllm.store.engine.subscribing import cursor_at_time
from lllm.store.reports import Retention
from lllm.store.rows import EventRow, content_digest

__all__ = ["MEMORY_SECONDS", "PAGE", "Removal", "expired_through", "removable", "remove"]

MEMORY_SECONDS = 24 * 3600.0
"""How long removed events are remembered."""

PAGE = 2000
"""How many events one transaction removes."""


class Removal(NamedTuple):
    """What one step removed, or would remove.

    Args:
        events: How many events.
        size: Bytes of their content.
        through: Cursor of the last one, 0 for none.
    """

    events: int
    size: int
    through: int


def remove(tx: Writer, channel: str, *, now: float) -> Removal:
    """Remove up to `PAGE` events that are beyond the limits of their channel.

    Args:
        tx: The transaction.
        channel: Name of the channel.
        now: The clock, in unix seconds.

    Raises:
        ChannelNotFoundError: There is no such channel.
    """
    through = expired_through(tx, channel, now=now)
    rows = _page(tx, channel, after=0, through=through)
    if not rows:
        return Removal(0, 0, 0)
    removed: list[RemovedRow] = [
        (row[0], row[2], row[1], row[3], row[7], content_digest(row), now) for row in rows
    ]
    tx.remove_events(channel, rows[-1][1], removed)
    tx.forget_removed(now - MEMORY_SECONDS)
    return Removal(len(rows), sum(map(_size, rows)), rows[-1][1])


def removable(tx: Reader, channel: str, *, after: int, through: int) -> Removal:
    """Count a page of events up to a cursor without removing them.

    Args:
        tx: The state.
        channel: Name of the channel.
        after: Begin above this cursor.
        through: End with this cursor.
    """
    rows = _page(tx, channel, after=after, through=through)
    return Removal(len(rows), sum(map(_size, rows)), rows[-1][1] if rows else 0)


def expired_through(tx: Reader, channel: str, *, now: float) -> int:
    """Return the cursor up to which a channel's retention removes events; 0 for none.

    Args:
        tx: The state.
        channel: Name of the channel.
        now: The clock, in unix seconds.

    Raises:
        ChannelNotFoundError: There is no such channel.
    """
    head = require_head(tx, channel)
    doc = tx.retention(channel)
    if doc is None:
        return 0
    retention = retention_of(doc)
    through = 0
    if retention.max_events is not None:
        through = max(through, head - retention.max_events)
    if retention.max_age_seconds is not None:
        through = max(through, cursor_at_time(tx, channel, now - retention.max_age_seconds) - 1)
    if retention.max_bytes is not None:
        through = max(through, _beyond_bytes(tx, channel, retention.max_bytes))
    return min(through, _lowest_floor(tx, channel, head, retention))


def _lowest_floor(tx: Reader, channel: str, head: int, retention: Retention) -> int:
    if not retention.keep_unfinished:
        return head
    return min((row.cursor for row in tx.subscriptions(channel)), default=head)


def _beyond_bytes(tx: Reader, channel: str, most: int) -> int:
    """Walk back from the newest event until the bytes are used up."""
    before: int | None = None
    total = 0
    while rows := tx.events(channel, before=before, limit=PAGE, reverse=True):
        for row in rows:
            total += _size(row)
            if total > most:
                return row[1]
        before = rows[-1][1]
    return 0


def _page(tx: Reader, channel: str, *, after: int, through: int) -> list[EventRow]:
    if through <= after:
        return []
    return tx.events(channel, after=after, before=through + 1, limit=PAGE)


def _size(row: EventRow) -> int:
    return len(row[6])

"""Reading the events of one channel."""

from __future__ import annotations

from dataclasses import dataclass

from lllm.store.backend import Reader
from lllm.store.models import Event
from lllm.store.rows import events_of

__all__ = ["EventQuery", "query"]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events of a channel are wanted.

    Args:
        channel: Name of the channel.
        after: Only above this cursor.
        before: Only below this cursor.
        kind: Only of this kind.
        source: Only of this source.
        correlation_id: Only with this correlation id.
        reverse: Newest first.
    """

    channel: str
    after: int = 0
    before: int | None = None
    kind: str | None = None
    source: str | None = None
    correlation_id: str | None = None
    reverse: bool = False


def query(tx: Reader, wanted: EventQuery, limit: int) -> list[Event]:
    """Return up to `limit` events, by cursor.

    Args:
        tx: The state.
        wanted: Which events.
        limit: How many at most.
    """
    found: list[Event] = []
    after, before = wanted.after, wanted.before
    while len(found) < limit:
        # Sources are not indexed, so a page may hold less than was asked for.
        size = limit - len(found) if wanted.source is None else max(_PAGE, limit)
        rows = tx.events(
            wanted.channel,
            after=after,
            before=before,
            kind=wanted.kind,
            correlation_id=wanted.correlation_id,
            limit=size,
            reverse=wanted.reverse,
        )
        events = events_of(rows)
        found.extend(event for event in events if wanted.source is None or event.source == wanted.source)
        if len(rows) < size:
            break
        after, before = (after, rows[-1][1]) if wanted.reverse else (rows[-1][1], before)
    return found[:limit]

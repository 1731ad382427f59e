"""Following parents and correlation ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lllm.store.backend import Reader
from lllm.store.engine.lookup import require_event
from lllm.store.models import Event
from lllm.store.pages import position_after
from lllm.store.rows import EventRow, events_of

__all__ = ["ancestors", "children", "descendants", "parents", "trace"]


def parents(tx: Reader, event_id: str) -> list[Event]:
    """Return the parents of an event in its own order, without removed ones.

    Args:
        tx: The state.
        event_id: Id of the event.

    Raises:
        EventNotFoundError: There is no such event.
    """
    return _parents_of(tx, events_of([require_event(tx, event_id)]))


def children(tx: Reader, event_id: str, *, limit: int, after: int | str) -> list[Event]:
    """Return events that name an event as their parent, in append order.

    Args:
        tx: The state.
        event_id: Id of the event.
        limit: How many at most.
        after: Where the page before ended.

    Raises:
        EventNotFoundError: There is no such event.
    """
    require_event(tx, event_id)
    return events_of(tx.children(event_id, after=position_after(tx, after), limit=limit))


def ancestors(tx: Reader, event_id: str, *, depth: int | None, limit: int) -> list[Event]:
    """Return everything that an event came from, breadth first.

    Args:
        tx: The state.
        event_id: Id of the event.
        depth: How many steps, None for all.
        limit: How many at most.

    Raises:
        EventNotFoundError: There is no such event.
    """
    return _breadth_first(tx, event_id, depth, limit, lambda level, _: _parents_of(tx, level))


def descendants(tx: Reader, event_id: str, *, depth: int | None, limit: int) -> list[Event]:
    """Return everything that came of an event, breadth first.

    Args:
        tx: The state.
        event_id: Id of the event.
        depth: How many steps, None for all.
        limit: How many at most.

    Raises:
        EventNotFoundError: There is no such event.
    """
    return _breadth_first(tx, event_id, depth, limit, lambda level, room: _children_of(tx, level, room))


def trace(tx: Reader, correlation_id: str, *, limit: int, after: int | str) -> list[Event]:
    """Return the events of one episode and its root, in append order.

    Args:
        tx: The state.
        correlation_id: Correlation id of the episode, or id of its root.
        limit: How many at most.
        after: Where the page before ended.
    """
    position = position_after(tx, after)
    rows: dict[str, EventRow] = {
        row[0]: row for row in tx.correlated(correlation_id, after=position, limit=limit)
    }
    root = tx.find_events((correlation_id,)).get(correlation_id)
    if root is not None and root[7] > position:
        rows[root[0]] = root
    return events_of(sorted(rows.values(), key=lambda row: row[7])[:limit])


def _breadth_first(
    tx: Reader,
    event_id: str,
    depth: int | None,
    limit: int,
    step: Callable[[Sequence[Event], int], Sequence[Event]],
) -> list[Event]:
    level = events_of([require_event(tx, event_id)])
    seen = {event_id}
    found: list[Event] = []
    while level and len(found) < limit and (depth is None or depth > 0):
        following: list[Event] = []
        for event in step(level, limit - len(found) + len(seen)):
            if event.id not in seen:
                seen.add(event.id)
                following.append(event)
        found.extend(following)
        level = following
        depth = None if depth is None else depth - 1
    return found[:limit]


def _parents_of(tx: Reader, level: Sequence[Event]) -> list[Event]:
    ids = list(dict.fromkeys(parent for event in level for parent in event.parent_ids))
    rows = tx.find_events(ids) if ids else {}
    return events_of(rows[parent] for parent in ids if parent in rows)


def _children_of(tx: Reader, level: Sequence[Event], room: int) -> list[Event]:
    return [child for event in level for child in events_of(tx.children(event.id, after=0, limit=room))]

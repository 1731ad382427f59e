"""Appending events: dense cursors, parents, and repeats that stay the same event."""

from __future__ import annotations

import time
from collections.abc import Sequence

from lllm.errors import ChannelNotFoundError, EventConflictError, EventNotFoundError, SSSNError
from lllm.store.backend import DuplicateId, Reader, RemovedRow, Writer
from lllm.store.drafts import at_index
from lllm.store.models import Event
from lllm.store.rows import Draft, EventRow, content_digest, event_of, row_of, same_content

__all__ = ["append", "stored_repeats"]


def append(tx: Writer, drafts: Sequence[Draft], *, batch: bool = True) -> list[Event]:
    """Append events: all of them or none, each id once.

    Args:
        tx: The transaction.
        drafts: The events, in order; their cursors are set.
        batch: Whether errors name the index of the event.

    Returns:
        The events as stored, in the order given.

    Raises:
        ChannelNotFoundError: A channel does not exist.
        EventNotFoundError: A parent is neither stored nor earlier in the batch.
        EventConflictError: An id is stored with other content.
    """
    indices = range(len(drafts)) if batch else None
    try:
        # Hardly any append is a repeat, so the ids are not looked up before the insert fails.
        return _insert(tx, drafts, indices)
    except (DuplicateId, EventNotFoundError) as error:
        if isinstance(error, EventNotFoundError) and not any(_known(tx, drafts)):
            raise
        return _merge(tx, drafts, indices)


def stored_repeats(tx: Reader, drafts: Sequence[Draft]) -> list[Event] | None:
    """Return the stored events when every draft is a repeat, else None.

    Args:
        tx: The transaction.
        drafts: The events.

    Raises:
        EventConflictError: An id is stored with other content.
    """
    known, removed = _known(tx, drafts)
    repeats = [_repeat(draft, known, removed) for draft in drafts]
    events = [event for event in repeats if event is not None]
    return events if len(events) == len(drafts) else None


def _id(draft: Draft) -> str:
    event_id: str = draft[0].__dict__["id"]
    return event_id


def _located(error: SSSNError, indices: Sequence[int] | None, place: int) -> SSSNError:
    return error if indices is None else at_index(error, indices[place])


def _insert(tx: Writer, drafts: Sequence[Draft], indices: Sequence[int] | None) -> list[Event]:
    position = max(tx.last_position() + 1, time.time_ns() // 1000)
    heads: dict[str, int] = {}
    rows: list[EventRow] = []
    links: list[tuple[str, int]] = []
    events: list[Event] = []
    for place, draft in enumerate(drafts):
        event = draft[0]
        values = event.__dict__
        channel = values["channel"]
        head = heads.get(channel)
        if head is None and (head := tx.head(channel)) is None:
            raise _located(ChannelNotFoundError(f"Channel not found: {channel}"), indices, place)
        heads[channel] = head = head + 1
        if values["parent_ids"]:
            links.extend((parent, place) for parent in dict.fromkeys(values["parent_ids"]))
        rows.append(row_of(draft, head, position + place))
        events.append(event)
    if links:
        _check_parents(tx, rows, links, indices)
    if rows:
        tx.insert_events(rows, links)
    return events


def _check_parents(
    tx: Reader, rows: Sequence[EventRow], links: Sequence[tuple[str, int]], indices: Sequence[int] | None
) -> None:
    places: dict[str, int] = {}
    for place, row in enumerate(rows):
        places.setdefault(row[0], place)
    outside = [parent for parent, child in links if places.get(parent, child) >= child]
    if not outside:
        return
    stored = tx.positions(outside)
    for parent, child in links:
        if places.get(parent, child) >= child and parent not in stored:
            raise _located(EventNotFoundError(f"Event not found: {parent}"), indices, child)


def _known(tx: Reader, drafts: Sequence[Draft]) -> tuple[dict[str, EventRow], dict[str, RemovedRow]]:
    ids = [_id(draft) for draft in drafts]
    known = tx.find_events(ids)
    return known, tx.removed_events([event_id for event_id in ids if event_id not in known])


def _merge(tx: Writer, drafts: Sequence[Draft], indices: Sequence[int] | None) -> list[Event]:
    """Append what is new and return what is stored, id by id."""
    known, removed = _known(tx, drafts)
    results: list[Event] = []
    fresh: list[Draft] = []
    places: list[int] = []
    first: dict[str, Draft] = {}
    for place, draft in enumerate(drafts):
        try:
            stored = _repeat(draft, known, removed)
            earlier = first.setdefault(_id(draft), draft)
            if earlier is not draft and not same_content(row_of(earlier, 0, 0), draft):
                raise _conflict(draft)
        except EventConflictError as error:
            raise _located(error, indices, place) from None
        results.append(earlier[0] if stored is None else stored)
        if stored is None and earlier is draft:
            fresh.append(draft)
            places.append(place if indices is None else indices[place])
    _insert(tx, fresh, None if indices is None else places)
    # A repeat inside the batch is a copy of the first, now that its cursor is known.
    return [
        event
        if event is draft[0] or _id(draft) in known or _id(draft) in removed
        else event.model_copy(deep=True)
        for event, draft in zip(results, drafts, strict=True)
    ]


def _repeat(draft: Draft, known: dict[str, EventRow], removed: dict[str, RemovedRow]) -> Event | None:
    """Return the event that a draft repeats, None when it is new."""
    event_id = _id(draft)
    row = known.get(event_id)
    if row is not None:
        if not same_content(row, draft):
            raise _conflict(draft)
        return event_of(row)
    gone = removed.get(event_id)
    if gone is None:
        return None
    candidate = row_of(draft, gone[2], gone[4])
    if content_digest(candidate) != gone[5] or (draft[2] and candidate[3] != gone[3]):
        raise _conflict(draft)
    return draft[0].model_copy(update={"timestamp": gone[3]})


def _conflict(draft: Draft) -> EventConflictError:
    return EventConflictError(f"Event already exists with different content: {_id(draft)}")

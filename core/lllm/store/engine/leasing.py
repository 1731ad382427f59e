"""Handing events out: leases, pulls, and the events that were handed out too often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lllm.assembly import assembled
from lllm.store.backend import Reader, SubscriptionRow, Writer
from lllm.store.documents import settings_of
from lllm.store.engine.dead_letters import GivenUp, give_up
from lllm.store.engine.floor import raised_floor
from lllm.store.engine.lookup import require_subscription
from lllm.store.engine.tokens import held_leases, token_for
from lllm.store.models import Event, Subscription
from lllm.store.reports import Delivery
from lllm.store.rows import EventRow, events_of

__all__ = ["DEFAULT_LEASE_SECONDS", "MAX_IN_FLIGHT", "extend", "lease", "pull", "readiness", "release"]

DEFAULT_LEASE_SECONDS = 30.0
MAX_IN_FLIGHT = 10_000
"""How many unfinished deliveries a subscription may have before only redeliveries are handed out."""

_PAGE = 256


@dataclass(slots=True)
class _Taken:
    """Events that one call takes: those handed out again, those handed out first, and where that ended."""

    again: list[tuple[Event, int]] = field(default_factory=list)
    new: list[Event] = field(default_factory=list)
    handed: int = 0
    over: list[GivenUp] = field(default_factory=list)
    vanished: list[int] = field(default_factory=list)


def lease(
    tx: Writer, subscription_id: str, *, limit: int | None, lease_seconds: float | None, now: float
) -> list[Delivery]:
    """Hand out up to `limit` events.

    Args:
        tx: The transaction.
        subscription_id: Id of the subscription.
        limit: How many at most; the batch size when None.
        lease_seconds: How long the leases last; the subscription's time when None.
        now: The clock, in unix seconds.

    Raises:
        SubscriptionNotFoundError: There is no such subscription.
    """
    row = require_subscription(tx, subscription_id)
    settings = settings_of(row.doc)
    taken = _take(tx, row, settings, limit or settings.batch_size, now, MAX_IN_FLIGHT - row.waiting)
    row = _drop_over(tx, row, settings, taken, now)
    deadline = now + (lease_seconds or settings.lease_seconds or DEFAULT_LEASE_SECONDS)
    handed_out = [*taken.again, *((event, 1) for event in taken.new)]
    if handed_out:
        waiting = [(event.cursor or 0, attempt, deadline, 1, None) for event, attempt in handed_out]
        tx.put_waiting(row.number, waiting)
    if taken.handed != row.handed:
        # Nothing was finished, so the floor is where it was, or at the end of what was handed out before.
        floor = row.cursor if row.waiting else max(row.cursor, row.handed)
        row = row._replace(handed=taken.handed, waiting=row.waiting + len(taken.new), cursor=floor)
        tx.save_subscription(row)
    return [_delivery(row, event, attempt, deadline) for event, attempt in handed_out]


def pull(tx: Writer, subscription_id: str, *, limit: int | None, now: float) -> list[Event]:
    """Hand out up to `limit` events and finish them.

    Args:
        tx: The transaction.
        subscription_id: Id of the subscription.
        limit: How many at most; the batch size when None.
        now: The clock, in unix seconds.

    Raises:
        SubscriptionNotFoundError: There is no such subscription.
    """
    row = require_subscription(tx, subscription_id)
    settings = settings_of(row.doc)
    size = limit or settings.batch_size
    taken = _take(tx, row, settings, size, now, size)
    row = _drop_over(tx, row, settings, taken, now)
    if taken.again:
        cursors = [event.cursor or 0 for event, _ in taken.again]
        tx.drop_waiting(row.number, cursors)
        tx.put_outcomes(row.number, [(event.cursor or 0, attempt, now) for event, attempt in taken.again])
        row = row._replace(waiting=row.waiting - len(cursors))
    if taken.again or taken.handed != row.handed:
        row = row._replace(handed=taken.handed)
        _save(tx, row)
    return [*(event for event, _ in taken.again), *taken.new]


def extend(tx: Writer, tokens: Sequence[str], *, seconds: float, now: float) -> list[Delivery]:
    """Move the deadlines of leases.

    Args:
        tx: The transaction.
        tokens: Their tokens.
        seconds: Time from now.
        now: The clock, in unix seconds.

    Raises:
        LeaseLostError: A token is not the current one of its event.
    """
    deadline = now + seconds
    extended: dict[str, Delivery] = {}
    for held in held_leases(tx, tokens):
        rows = [(wait[0], wait[1], deadline, 1, wait[4]) for _, wait in held.current]
        tx.put_waiting(held.row.number, rows)
        events = _events_at(tx, held.row, [wait[0] for _, wait in held.current])
        for item, _ in held.current:
            event = events.get(item.cursor)
            if event is not None:
                extended[item.token] = _delivery(held.row, event, item.attempt, deadline)
    return [extended[token] for token in tokens if token in extended]


def release(tx: Writer, tokens: Sequence[str], *, now: float) -> int:
    """Undo leases that never reached their consumer: the attempts do not count.

    Args:
        tx: The transaction.
        tokens: Their tokens.
        now: The clock, in unix seconds.

    Raises:
        LeaseLostError: A token is not the current one of its event.
    """
    count = 0
    for held in held_leases(tx, tokens):
        tx.put_waiting(held.row.number, [(w[0], w[1] - 1, now, 0, w[4]) for _, w in held.current])
        count += len(held.current)
    return count


def readiness(tx: Reader, subscription_id: str, now: float) -> tuple[bool, float | None]:
    """Tell whether a lease would return something, without writing.

    Args:
        tx: The state to look at.
        subscription_id: Id of the subscription.
        now: The clock, in unix seconds.

    Returns:
        Whether it would, and in how many seconds a lease or a delay runs out, None for never.

    Raises:
        SubscriptionNotFoundError: There is no such subscription.
    """
    row = require_subscription(tx, subscription_id)
    due = tx.next_due(row.number) if row.waiting else None
    if due is not None and due <= now:
        return True, None
    fresh = row.waiting < MAX_IN_FLIGHT and tx.events(row.channel, after=row.handed, kind=row.kind, limit=1)
    return bool(fresh), None if due is None else due - now


def _take(
    tx: Reader, row: SubscriptionRow, settings: Subscription, limit: int, now: float, room: int
) -> _Taken:
    taken = _Taken(handed=row.handed)
    if row.waiting:
        _take_due(tx, row, settings, taken, limit, now)
    wanted = min(limit - len(taken.again), room)
    while wanted > 0:
        rows = tx.events(row.channel, after=taken.handed, kind=row.kind, limit=wanted)
        if not rows:
            break
        # Rows that cannot be decoded are passed over; they must not hold the others up.
        taken.new.extend(events_of(rows))
        taken.handed = rows[-1][1]
        if len(rows) < wanted:
            break
        wanted = min(limit - len(taken.again), room) - len(taken.new)
    return taken


def _take_due(
    tx: Reader, row: SubscriptionRow, settings: Subscription, taken: _Taken, limit: int, now: float
) -> None:
    most = settings.max_deliveries
    size = limit
    while True:
        due = tx.due(row.number, now=now, limit=size)
        events = _events_at(tx, row, [wait[0] for wait in due])
        taken.again.clear()
        taken.over.clear()
        taken.vanished.clear()
        for cursor, attempt, _, _, error in due:
            event = events.get(cursor)
            if event is None:
                taken.vanished.append(cursor)
            elif most is not None and attempt >= most:
                taken.over.append(GivenUp(event, attempt, error or "lease expired"))
            elif len(taken.again) < limit:
                taken.again.append((event, attempt + 1))
        if len(taken.again) >= limit or len(due) < size:
            return
        size += _PAGE


def _events_at(tx: Reader, row: SubscriptionRow, cursors: Sequence[int]) -> dict[int, Event]:
    """Return the events at cursors; one query for each run of neighbours."""
    found: dict[int, Event] = {}
    ordered = sorted(cursors)
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end] != ordered[end - 1] + 1:
            rows: list[EventRow] = tx.events(
                row.channel, after=ordered[start] - 1, before=ordered[end - 1] + 1, limit=end - start
            )
            found.update((event.cursor or 0, event) for event in events_of(rows))
            start = end
    return found


def _drop_over(
    tx: Writer, row: SubscriptionRow, settings: Subscription, taken: _Taken, now: float
) -> SubscriptionRow:
    """Give up what was handed out too often, and forget what retention removed."""
    gone = [*taken.vanished, *(item.event.cursor or 0 for item in taken.over)]
    if not gone:
        return row
    tx.drop_waiting(row.number, gone)
    tx.put_outcomes(row.number, [(cursor, 0, now) for cursor in gone])
    given_up = give_up(tx, row, settings, taken.over)
    row = row._replace(waiting=row.waiting - len(gone), dead_lettered=row.dead_lettered + given_up)
    _save(tx, row)
    return row


def _save(tx: Writer, row: SubscriptionRow) -> None:
    tx.save_subscription(row._replace(cursor=raised_floor(tx, row, row.waiting)))


def _delivery(row: SubscriptionRow, event: Event, attempt: int, deadline: float) -> Delivery:
    return assembled(
        Delivery,
        {
            "event": event,
            "subscription": row.id,
            "token": token_for(row, event.cursor or 0, attempt),
            "attempt": attempt,
            "deadline": deadline,
        },
    )

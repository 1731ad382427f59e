"""Taking events back: ack, nack, reject, and the commit that also writes what came of them."""

from __future__ import annotations

from collections.abc import Sequence

from lllm.assembly import assembled
from lllm.errors import EventConflictError, LeaseLostError
from lllm.store.backend import WaitingRow, Writer
from lllm.store.documents import settings_of
from lllm.store.engine.appending import append, stored_repeats
from lllm.store.engine.dead_letters import GivenUp, give_up
from lllm.store.engine.floor import raised_floor
from lllm.store.engine.snapshots import put_snapshot, stored_snapshot
from lllm.store.engine.tokens import Held, Lease, finished_by, held_leases
from lllm.store.models import Event, Snapshot
from lllm.store.reports import CommitResult
from lllm.store.rows import Draft, events_of

__all__ = ["ack", "commit", "nack", "reject"]

_OUTCOME_MEMORY = 24 * 3600.0


def ack(tx: Writer, tokens: Sequence[str], *, now: float) -> int:
    """Finish deliveries; one that its own token has finished before counts as finished.

    Args:
        tx: The transaction.
        tokens: Their tokens.
        now: The clock, in unix seconds.

    Raises:
        LeaseLostError: A token is lost.
    """
    held, _ = finished_by(tx, tokens)
    _finish(tx, held, now)
    return len(tokens)


def nack(tx: Writer, tokens: Sequence[str], *, delay: float, error: str | None, now: float) -> int:
    """Give deliveries back; those at `max_deliveries` are given up.

    Args:
        tx: The transaction.
        tokens: Their tokens.
        delay: Not before this many seconds.
        error: What went wrong.
        now: The clock, in unix seconds.

    Raises:
        LeaseLostError: A token is not the current one of its event.
    """
    for held in held_leases(tx, tokens):
        most = settings_of(held.row.doc).max_deliveries
        over = [item for item in held.current if most is not None and item[0].attempt >= most]
        back = [item for item in held.current if most is None or item[0].attempt < most]
        tx.put_waiting(held.row.number, [(wait[0], wait[1], now + delay, 0, error) for _, wait in back])
        if over:
            _give_up(tx, held, over, error, now)
    return len(tokens)


def reject(tx: Writer, tokens: Sequence[str], *, error: str | None, now: float) -> int:
    """Give deliveries up.

    Args:
        tx: The transaction.
        tokens: Their tokens.
        error: What went wrong.
        now: The clock, in unix seconds.

    Raises:
        LeaseLostError: A token is not the current one of its event.
    """
    for held in held_leases(tx, tokens):
        _give_up(tx, held, held.current, error, now)
    return len(tokens)


def commit(
    tx: Writer, tokens: Sequence[str], drafts: Sequence[Draft], snapshots: Sequence[Snapshot], *, now: float
) -> CommitResult:
    """Finish deliveries, append events and write snapshots, or repeat what an equal commit returned.

    Args:
        tx: The transaction.
        tokens: Tokens to finish.
        drafts: Events to append.
        snapshots: Snapshots to write.
        now: The clock, in unix seconds.

    Raises:
        LeaseLostError: A token is lost, or was used by a commit with other events.
        EventConflictError: An id is stored with other content.
    """
    held, done = finished_by(tx, tokens)
    if done:
        events = _repeated(tx, drafts, done)
        written = [stored_snapshot(tx, snapshot) for snapshot in snapshots]
    else:
        events = append(tx, drafts)
        written = [put_snapshot(tx, snapshot, expected=None) for snapshot in snapshots]
    _finish(tx, held, now)
    return assembled(
        CommitResult, {"acked": len(tokens), "events": tuple(events), "snapshots": tuple(written)}
    )


def _repeated(tx: Writer, drafts: Sequence[Draft], done: Sequence[str]) -> list[Event]:
    """Return the events of a commit that happened before; a used token may append nothing new."""
    try:
        events = stored_repeats(tx, drafts)
    except EventConflictError as error:
        raise LeaseLostError(done) from error
    if events is None:
        raise LeaseLostError(done)
    return events


def _finish(tx: Writer, held: Sequence[Held], now: float) -> None:
    for group in held:
        if not group.current:
            continue
        row = group.row
        tx.drop_waiting(row.number, [lease.cursor for lease, _ in group.current])
        later = [(lease.cursor, lease.attempt, now) for lease, _ in group.current if lease.attempt != 1]
        if later:
            tx.put_outcomes(row.number, later)
            tx.forget_outcomes(now - _OUTCOME_MEMORY)
        left = row.waiting - len(group.current)
        tx.save_subscription(row._replace(waiting=left, cursor=raised_floor(tx, row, left)))


def _give_up(
    tx: Writer, held: Held, items: Sequence[tuple[Lease, WaitingRow]], error: str | None, now: float
) -> None:
    row = held.row
    cursors = [lease.cursor for lease, _ in items]
    letters: list[GivenUp] = []
    for lease, _ in items:
        found = events_of(tx.events(row.channel, after=lease.cursor - 1, before=lease.cursor + 1, limit=1))
        letters.extend(GivenUp(event, lease.attempt, error) for event in found)
    give_up(tx, row, settings_of(row.doc), letters)
    tx.drop_waiting(row.number, cursors)
    tx.put_outcomes(row.number, [(cursor, 0, now) for cursor in cursors])
    left = row.waiting - len(cursors)
    tx.save_subscription(
        row._replace(
            waiting=left,
            dead_lettered=row.dead_lettered + len(cursors),
            cursor=raised_floor(tx, row, left),
        )
    )

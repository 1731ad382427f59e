"""The floor of a subscription: below it, every matching event is finished."""

from __future__ import annotations

from lllm.store.backend import Reader, SubscriptionRow

__all__ = ["raised_floor"]


def raised_floor(tx: Reader, row: SubscriptionRow, waiting: int) -> int:
    """Return the cursor of the last matching event before the first unfinished one; it never goes back.

    Args:
        tx: The transaction, with the waiting rows as they are now.
        row: The subscription, with `handed` as it is now.
        waiting: How many of its events wait now.
    """
    first = tx.first_waiting(row.number) if waiting else None
    if first is None:
        return max(row.cursor, row.handed)
    if row.kind is None:
        return max(row.cursor, first - 1)
    before = tx.events(row.channel, after=row.cursor, before=first, kind=row.kind, limit=1, reverse=True)
    return before[0][1] if before else row.cursor

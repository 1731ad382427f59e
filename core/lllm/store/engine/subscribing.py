"""Making, changing and moving subscriptions, and telling how far they are behind."""

from __future__ import annotations

from typing import Literal

from lllm.errors import SubscriptionExistsError
from lllm.store.backend import Reader, SubscriptionRow, Writer
from lllm.store.documents import document, subscription_of
from lllm.store.encoding import canonical_json
from lllm.store.engine.lookup import require_channel, require_head, require_subscription
from lllm.store.engine.tokens import new_secret
from lllm.store.models import Subscription
from lllm.store.records import kind_filter
from lllm.store.reports import SubscriptionLag

__all__ = ["create", "cursor_at_time", "lag", "save", "seek"]


def create(tx: Writer, wanted: Subscription, start: Literal["beginning", "end"] | int) -> Subscription:
    """Insert a subscription, or return the one with its id.

    Args:
        tx: The transaction.
        wanted: The subscription.
        start: Where it begins.

    Raises:
        ChannelNotFoundError: The channel or the dead-letter channel does not exist.
        SubscriptionExistsError: The id belongs to another channel, or has other filters.
    """
    row = tx.subscription(wanted.id)
    if row is not None:
        return _existing(row, wanted)
    head = require_head(tx, wanted.channel)
    if wanted.dead_letter is not None:
        require_channel(tx, wanted.dead_letter)
    cursor = start if isinstance(start, int) else (head if start == "end" else 0)
    doc = document(wanted)
    kind = kind_filter(wanted.filters)
    tx.add_subscription(
        SubscriptionRow(0, wanted.id, wanted.channel, kind, doc, cursor, cursor, 0, 0, new_secret())
    )
    return subscription_of(doc, cursor)


def save(tx: Writer, wanted: Subscription) -> Subscription:
    """Replace the settings of a stored subscription.

    Args:
        tx: The transaction.
        wanted: The subscription with its new settings; its cursor does not count.

    Raises:
        SubscriptionNotFoundError: There is no such subscription.
        ChannelNotFoundError: The dead-letter channel does not exist.
    """
    row = require_subscription(tx, wanted.id)
    if wanted.dead_letter is not None:
        require_channel(tx, wanted.dead_letter)
    doc = document(wanted)
    tx.save_subscription(row._replace(doc=doc))
    return subscription_of(doc, row.cursor)


def seek(
    tx: Writer,
    subscription_id: str,
    *,
    cursor: int | None,
    time: float | None,
    to: Literal["beginning", "end"] | None,
) -> Subscription:
    """Move a subscription and drop its leases.

    Args:
        tx: The transaction.
        subscription_id: Id of the subscription.
        cursor: Above this cursor.
        time: From this unix time on.
        to: To one of the ends.

    Raises:
        SubscriptionNotFoundError: There is no such subscription.
    """
    row = require_subscription(tx, subscription_id)
    if time is not None:
        cursor = cursor_at_time(tx, row.channel, time) - 1
    elif cursor is None:
        cursor = require_head(tx, row.channel) if to == "end" else 0
    tx.clear_waiting(row.number)
    tx.save_subscription(row._replace(cursor=cursor, handed=cursor, waiting=0, secret=new_secret()))
    return subscription_of(row.doc, cursor)


def lag(tx: Reader, subscription_id: str) -> SubscriptionLag:
    """Tell how far a subscription is behind.

    Args:
        tx: The state.
        subscription_id: Id of the subscription.

    Raises:
        SubscriptionNotFoundError: There is no such subscription.
    """
    row = require_subscription(tx, subscription_id)
    leased, delayed = tx.waiting_counts(row.number) if row.waiting else (0, 0)
    return SubscriptionLag(
        subscription=row.id,
        channel=row.channel,
        head=require_head(tx, row.channel),
        cursor=row.cursor,
        undelivered=tx.count_events(row.channel, kind=row.kind, after=row.handed),
        in_flight=leased,
        delayed=delayed,
        dead_lettered=row.dead_lettered,
        oldest_unfinished_at=_oldest_unfinished(tx, row),
    )


def cursor_at_time(tx: Reader, channel: str, time: float) -> int:
    """Return the cursor of the first event appended at or after a unix time, `head + 1` when there is none.

    Args:
        tx: The state.
        channel: Name of the channel.
        time: Unix time in seconds.

    Raises:
        ChannelNotFoundError: There is no such channel.
    """
    wanted = time * 1_000_000
    high = require_head(tx, channel) + 1
    low = min(tx.first_cursor(channel), high)
    while low < high:
        middle = (low + high) // 2
        rows = tx.events(channel, after=middle - 1, limit=1)
        if rows and rows[0][7] < wanted:
            low = max(middle, rows[0][1]) + 1
        else:
            high = middle
    return low


def _existing(row: SubscriptionRow, wanted: Subscription) -> Subscription:
    if row.channel != wanted.channel:
        raise SubscriptionExistsError(f"Subscription already exists for a different channel: {row.id}")
    stored = subscription_of(row.doc, row.cursor)
    if wanted.filters and canonical_json(wanted.filters) != canonical_json(stored.filters):
        raise SubscriptionExistsError(f"Subscription already exists with different filters: {row.id}")
    return stored


def _oldest_unfinished(tx: Reader, row: SubscriptionRow) -> float | None:
    first = tx.first_waiting(row.number) if row.waiting else None
    after = row.handed if first is None else first - 1
    rows = tx.events(row.channel, after=after, kind=row.kind, limit=1)
    return rows[0][7] / 1_000_000 if rows else None

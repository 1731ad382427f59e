"""Events that were handed out too often, or were rejected: moved aside once each."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from lllm.store.backend import SubscriptionRow, Writer
from lllm.store.engine.appending import append
from lllm.store.models import Event, Subscription
from lllm.store.rows import trusted_draft

__all__ = ["GivenUp", "dead_letter_id", "give_up"]

_logger = logging.getLogger("lllm.store")
_NAMESPACE = uuid.NAMESPACE_URL


class GivenUp(NamedTuple):
    """An event that is not handed out again.

    Args:
        event: The event.
        attempts: How often it was handed out.
        error: What went wrong last.
    """

    event: Event
    attempts: int
    error: str | None


def dead_letter_id(subscription_id: str, event_id: str) -> str:
    """Return the id of the dead letter of an event; always the same, so that it is written once.

    Args:
        subscription_id: Id of the subscription that gave the event up.
        event_id: Id of the event.
    """
    return str(uuid.uuid5(_NAMESPACE, f"psi:dead_letter/{subscription_id}/{event_id}"))


def give_up(tx: Writer, row: SubscriptionRow, settings: Subscription, items: Sequence[GivenUp]) -> int:
    """Append the dead letters of events, where the subscription has a channel for them.

    Args:
        tx: The transaction.
        row: The subscription.
        settings: Its settings.
        items: The events.

    Returns:
        How many events were given up.
    """
    channel = settings.dead_letter
    if channel is None:
        return len(items)
    if tx.head(channel) is None:
        for item in items:
            _logger.error(
                "event %s of subscription %s is given up, and its dead-letter channel %s does not exist",
                item.event.id,
                row.id,
                channel,
            )
        return len(items)
    letters = [_letter(row, channel, item) for item in items]
    ids = [letter["id"] for letter in letters]
    # One that retention has removed since was still written; it is not written again.
    known = {*tx.positions(ids), *tx.removed_events(ids)}
    append(tx, [trusted_draft(letter) for letter in letters if letter["id"] not in known], batch=False)
    return len(items)


def _letter(row: SubscriptionRow, channel: str, item: GivenUp) -> dict[str, Any]:
    event = item.event
    reason = {
        "subscription": row.id,
        "channel": event.channel,
        "cursor": event.cursor,
        "attempts": item.attempts,
        "error": item.error,
    }
    return {
        "id": dead_letter_id(row.id, event.id),
        "channel": channel,
        "timestamp": time.time(),
        "source": "sssn.dead_letter",
        "kind": event.kind,
        "payload": event.payload,
        "schema_ref": event.schema,
        "metadata": {**event.metadata, "dead_letter": reason},
        "correlation_id": event.correlation_id,
        "parent_ids": (event.id,),
    }

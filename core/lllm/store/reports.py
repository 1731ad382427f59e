"""What the operations of a store return beyond its records."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lllm.store.models import Event, Snapshot

__all__ = [
    "CheckReport",
    "CommitResult",
    "Delivery",
    "Retention",
    "RetentionReport",
    "SubscriptionLag",
]


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True)


class Delivery(_Report):
    """An event that a subscription handed out, and the right to finish it.

    Args:
        event: The event.
        subscription: Id of the subscription.
        token: Proof of the lease; `ack`, `nack`, `reject`, `extend` and `commit` take it.
        attempt: How often the event has been handed out, from 1.
        deadline: When the lease expires, in unix seconds.
    """

    event: Event
    subscription: str
    token: str
    attempt: int
    deadline: float


class CommitResult(_Report):
    """What one commit did.

    Args:
        acked: How many deliveries it finished.
        events: The events it appended, with cursors, in the order given.
        snapshots: The snapshots it wrote, with revisions, in the order given.
    """

    acked: int
    events: tuple[Event, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()


class SubscriptionLag(_Report):
    """How far a subscription is behind its channel.

    Args:
        subscription: Id of the subscription.
        channel: Channel that it reads.
        head: Newest cursor of the channel.
        cursor: The floor of the subscription.
        undelivered: Matching events that were never handed out.
        in_flight: Events that are leased, expired leases included until they are handed out again.
        delayed: Events that wait for their redelivery.
        dead_lettered: Events that were given up, since the subscription was made.
        oldest_unfinished_at: When the oldest unfinished event was appended, in unix seconds; None when
            nothing is unfinished.
    """

    subscription: str
    channel: str
    head: int
    cursor: int
    undelivered: int
    in_flight: int
    delayed: int
    dead_lettered: int
    oldest_unfinished_at: float | None = None


class Retention(_Report):
    """What a channel keeps. Nothing is removed while every limit is None.

    Args:
        channel: Name of the channel.
        max_events: How many events are kept.
        max_age_seconds: How long an event is kept after it was appended.
        max_bytes: How many bytes of event content are kept.
        keep_unfinished: Whether events above the lowest subscription floor are kept in any case.
    """

    channel: str
    max_events: int | None = None
    max_age_seconds: float | None = None
    max_bytes: int | None = None
    keep_unfinished: bool = True


class RetentionReport(_Report):
    """What applying retention removed, or would remove.

    Args:
        removed_events: How many events.
        removed_bytes: Bytes of their content.
        first_cursor: Cursor of the oldest kept event, for each channel that was looked at.
    """

    removed_events: int = 0
    removed_bytes: int = 0
    first_cursor: dict[str, int] = Field(default_factory=dict)


class CheckReport(_Report):
    """What a check found.

    Args:
        ok: Whether nothing is wrong.
        problems: What is wrong, a line for each.
        counts: How many records of each sort were looked at, and how many rows could not be decoded.
    """

    ok: bool
    problems: tuple[str, ...] = ()
    counts: dict[str, Any] = Field(default_factory=dict)

"""Finding things in a transaction, or raising the error that says they are missing."""

from __future__ import annotations

from collections.abc import Sequence

from lllm.errors import (
    ArtifactNotFoundError,
    ChannelNotFoundError,
    EventNotFoundError,
    SnapshotNotFoundError,
    SubscriptionNotFoundError,
)
from lllm.store.backend import Reader, SubscriptionRow
from lllm.store.rows import EventRow

__all__ = [
    "require_artifact",
    "require_channel",
    "require_event",
    "require_events",
    "require_head",
    "require_snapshot",
    "require_subscription",
]


def require_channel(tx: Reader, name: str) -> str:
    """Return the document of a channel.

    Raises:
        ChannelNotFoundError: There is no such channel.
    """
    doc = tx.channel(name)
    if doc is None:
        raise ChannelNotFoundError(f"Channel not found: {name}")
    return doc


def require_head(tx: Reader, name: str) -> int:
    """Return the head of a channel.

    Raises:
        ChannelNotFoundError: There is no such channel.
    """
    head = tx.head(name)
    if head is None:
        raise ChannelNotFoundError(f"Channel not found: {name}")
    return head


def require_event(tx: Reader, event_id: str) -> EventRow:
    """Return the row of an event.

    Raises:
        EventNotFoundError: There is no such event.
    """
    return require_events(tx, (event_id,))[0]


def require_events(tx: Reader, ids: Sequence[str]) -> list[EventRow]:
    """Return the rows of events in the order asked.

    Raises:
        EventNotFoundError: One of them does not exist.
    """
    rows = tx.find_events(ids) if ids else {}
    for event_id in ids:
        if event_id not in rows:
            raise EventNotFoundError(f"Event not found: {event_id}")
    return [rows[event_id] for event_id in ids]


def require_subscription(tx: Reader, subscription_id: str) -> SubscriptionRow:
    """Return the row of a subscription.

    Raises:
        SubscriptionNotFoundError: There is no such subscription.
    """
    row = tx.subscription(subscription_id)
    if row is None:
        raise SubscriptionNotFoundError(f"Subscription not found: {subscription_id}")
    return row


def require_artifact(tx: Reader, artifact_id: str) -> str:
    """Return the document of an artifact.

    Raises:
        ArtifactNotFoundError: There is no such artifact.
    """
    doc = tx.artifact(artifact_id)
    if doc is None:
        raise ArtifactNotFoundError(f"Artifact not found: {artifact_id}")
    return doc


def require_snapshot(tx: Reader, name: str, revision: int | None = None) -> str:
    """Return the document of a snapshot.

    Raises:
        SnapshotNotFoundError: There is no such snapshot, or the revision is not kept.
    """
    doc = tx.snapshot(name, revision)
    if doc is None:
        raise SnapshotNotFoundError(f"Snapshot not found: {name}")
    return doc

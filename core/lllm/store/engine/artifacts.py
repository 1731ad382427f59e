"""Artifact records: the part of an artifact that a transaction writes."""

from __future__ import annotations

from collections.abc import Sequence

from lllm.errors import InvalidPayloadError
from lllm.store.backend import Reader, Writer
from lllm.store.documents import artifact_of, document
from lllm.store.engine.lookup import require_channel, require_events
from lllm.store.models import Artifact

__all__ = ["list_artifacts", "put_artifact", "require_references"]

_PAGE = 500


def require_references(tx: Reader, channel: str | None, event_ids: Sequence[str]) -> None:
    """Check that what an artifact refers to exists.

    Args:
        tx: The state.
        channel: Name of its channel or None.
        event_ids: Ids of its events.

    Raises:
        ChannelNotFoundError: The channel does not exist.
        EventNotFoundError: An event does not exist.
    """
    if channel is not None:
        require_channel(tx, channel)
    require_events(tx, event_ids)


def put_artifact(tx: Writer, artifact: Artifact) -> Artifact:
    """Insert a record, or return the stored one of the same id and content.

    Args:
        tx: The transaction.
        artifact: The record.

    Raises:
        ChannelNotFoundError: The channel does not exist.
        EventNotFoundError: An event does not exist.
        InvalidPayloadError: The id is taken by other content.
    """
    doc = tx.artifact(artifact.id)
    if doc is not None:
        stored = artifact_of(doc)
        if stored.sha256 != artifact.sha256:
            raise InvalidPayloadError(f"Artifact already exists with different content: {artifact.id}")
        return stored
    require_references(tx, artifact.channel, artifact.event_ids)
    event_ids = tuple(dict.fromkeys(artifact.event_ids))
    tx.put_artifact(artifact.id, artifact.channel, artifact.path, event_ids, document(artifact))
    return artifact


def list_artifacts(
    tx: Reader, *, channel: str | None, event_id: str | None, limit: int | None
) -> list[Artifact]:
    """Return records in the order of writing.

    Args:
        tx: The state.
        channel: Only those of this channel.
        event_id: Only those that name this event.
        limit: How many at most, None for all.
    """
    found: list[Artifact] = []
    after = 0
    while limit is None or len(found) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        page = tx.artifacts(channel=channel, event_id=event_id, after=after, limit=size)
        found.extend(artifact_of(doc) for _, doc in page)
        if len(page) < size:
            break
        after = page[-1][0]
    return found

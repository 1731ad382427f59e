"""Writing snapshots with revisions."""

from __future__ import annotations

from lllm.errors import SnapshotConflictError
from lllm.store.backend import Reader, Writer
from lllm.store.documents import document, snapshot_of
from lllm.store.engine.lookup import require_channel, require_event, require_snapshot
from lllm.store.models import Snapshot

__all__ = ["KEPT_REVISIONS", "delete_snapshot", "put_snapshot", "stored_snapshot"]

KEPT_REVISIONS = 10
"""How many revisions of a snapshot are kept."""


def put_snapshot(tx: Writer, snapshot: Snapshot, *, expected: int | None) -> Snapshot:
    """Write the next revision of a snapshot.

    Args:
        tx: The transaction.
        snapshot: The snapshot in its JSON form.
        expected: Revision that must be current, 0 for none, None for any.

    Returns:
        A copy with its revision.

    Raises:
        ChannelNotFoundError: The channel does not exist.
        EventNotFoundError: The source event does not exist.
        SnapshotConflictError: Another revision is current.
    """
    if snapshot.channel is not None:
        require_channel(tx, snapshot.channel)
    if snapshot.source_event_id is not None:
        require_event(tx, snapshot.source_event_id)
    _expect(tx, snapshot.name, expected)
    revision = tx.snapshot_revision(snapshot.name) + 1
    written = snapshot.model_copy(update={"revision": revision}, deep=True)
    tx.put_snapshot(snapshot.name, revision, snapshot.channel, document(written), KEPT_REVISIONS)
    return written


def stored_snapshot(tx: Reader, snapshot: Snapshot) -> Snapshot:
    """Return the newest stored revision with the same content, else the current one.

    Args:
        tx: The transaction.
        snapshot: What was written before.

    Raises:
        SnapshotNotFoundError: The snapshot was deleted since.
    """
    wanted = _content(snapshot)
    for doc in tx.snapshot_history(snapshot.name, KEPT_REVISIONS):
        stored = snapshot_of(doc)
        if _content(stored) == wanted:
            return stored
    return snapshot_of(require_snapshot(tx, snapshot.name))


def delete_snapshot(tx: Writer, name: str, *, expected: int | None) -> None:
    """Delete a snapshot and its history.

    Args:
        tx: The transaction.
        name: Name of the snapshot.
        expected: Revision that must be current, None for any.

    Raises:
        SnapshotNotFoundError: There is no such snapshot.
        SnapshotConflictError: Another revision is current.
    """
    require_snapshot(tx, name)
    _expect(tx, name, expected)
    tx.delete_snapshot(name)


def _expect(tx: Reader, name: str, expected: int | None) -> None:
    if expected is None:
        return
    current = tx.snapshot_revision(name) if tx.snapshot(name) is not None else 0
    if expected != current:
        raise SnapshotConflictError(name, expected, current)


def _content(snapshot: Snapshot) -> dict[str, object]:
    return snapshot.model_dump(exclude={"revision", "timestamp"})

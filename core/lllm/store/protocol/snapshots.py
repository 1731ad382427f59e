"""Snapshots: the newest value by name, with revisions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from lllm.store.models import Snapshot

__all__ = ["SnapshotOperations"]


class SnapshotOperations(ABC):
    """The part of the `Store` protocol that concerns snapshots."""

    @abstractmethod
    def put_snapshot(
        self, snapshot: Snapshot | Mapping[str, Any], *, expected_revision: int | None = None
    ) -> Snapshot:
        """Write a snapshot, replacing every field of the one with its name.

        The last write wins, even with an older timestamp. Revisions count 1, 2, ... for each name and go
        on after a delete.

        Args:
            snapshot: The snapshot, or its fields; a revision in it is ignored.
            expected_revision: Revision that must be the current one, 0 when none may exist; unconditional
                when None.

        Returns:
            The snapshot as stored, with its revision.

        Raises:
            InvalidPayloadError: A field is malformed.
            ChannelNotFoundError: The channel does not exist.
            EventNotFoundError: The source event does not exist.
            SnapshotConflictError: Another revision is current.
        """

    @abstractmethod
    def get_snapshot(self, name: str, *, revision: int | None = None) -> Snapshot:
        """Return a snapshot.

        Args:
            name: Its name.
            revision: A kept revision; the newest when None.

        Raises:
            InvalidPayloadError: An argument is malformed.
            SnapshotNotFoundError: There is no such snapshot, or the revision is not kept.
        """

    @abstractmethod
    def snapshot_history(self, name: str, *, limit: int = 10) -> tuple[Snapshot, ...]:
        """Return the kept revisions of a snapshot, newest first; ten are kept.

        Args:
            name: Its name.
            limit: How many revisions at most.

        Raises:
            InvalidPayloadError: An argument is malformed.
            SnapshotNotFoundError: There is no such snapshot.
        """

    @abstractmethod
    def list_snapshots(self, channel: str | None = None) -> tuple[Snapshot, ...]:
        """Return the newest revision of every snapshot, ordered by name.

        Args:
            channel: Only those of this channel.

        Raises:
            InvalidPayloadError: The name is no path segment.
        """

    @abstractmethod
    def delete_snapshot(self, name: str, *, expected_revision: int | None = None) -> None:
        """Delete a snapshot and its history.

        Args:
            name: Its name.
            expected_revision: Revision that must be the current one; unconditional when None.

        Raises:
            InvalidPayloadError: An argument is malformed.
            SnapshotNotFoundError: There is no such snapshot.
            SnapshotConflictError: Another revision is current.
        """

"""Snapshots on a server."""

from __future__ import annotations

from lllm.store import Snapshot
from lllm_store_http import snapshot_calls
from lllm_store_http.sending import AsyncSender, Sender

__all__ = ["AsyncSnapshots", "Snapshots"]


class Snapshots(Sender):
    """Reading and deleting snapshots; `lllm.Store` has the rules of each method."""

    def get_snapshot(self, name: str, *, revision: int | None = None) -> Snapshot:
        """Return a snapshot: the newest revision, or a kept one."""
        number = None if revision is None else self._whole(revision, "revision", least=1)
        return self._send(snapshot_calls.get_snapshot(name, revision=number))

    def snapshot_history(self, name: str, *, limit: int = 10) -> tuple[Snapshot, ...]:
        """Return the kept revisions of a snapshot, newest first."""
        most = self._whole(limit, "limit", least=1)
        return self._send(snapshot_calls.snapshot_history(name, limit=most))

    def list_snapshots(self, channel: str | None = None) -> tuple[Snapshot, ...]:
        """Return the newest revision of every snapshot, ordered by name."""
        return self._send(snapshot_calls.list_snapshots(channel))

    def delete_snapshot(self, name: str, *, expected_revision: int | None = None) -> None:
        """Delete a snapshot and its history."""
        expected = None if expected_revision is None else self._whole(expected_revision, "expected_revision")
        self._send(snapshot_calls.delete_snapshot(name, expected_revision=expected))


class AsyncSnapshots(AsyncSender):
    """Reading and deleting snapshots, as coroutines."""

    async def get_snapshot(self, name: str, *, revision: int | None = None) -> Snapshot:
        """Return a snapshot: the newest revision, or a kept one."""
        number = None if revision is None else self._whole(revision, "revision", least=1)
        return await self._send(snapshot_calls.get_snapshot(name, revision=number))

    async def snapshot_history(self, name: str, *, limit: int = 10) -> tuple[Snapshot, ...]:
        """Return the kept revisions of a snapshot, newest first."""
        most = self._whole(limit, "limit", least=1)
        return await self._send(snapshot_calls.snapshot_history(name, limit=most))

    async def list_snapshots(self, channel: str | None = None) -> tuple[Snapshot, ...]:
        """Return the newest revision of every snapshot, ordered by name."""
        return await self._send(snapshot_calls.list_snapshots(channel))

    async def delete_snapshot(self, name: str, *, expected_revision: int | None = None) -> None:
        """Delete a snapshot and its history."""
        expected = None if expected_revision is None else self._whole(expected_revision, "expected_revision")
        await self._send(snapshot_calls.delete_snapshot(name, expected_revision=expected))

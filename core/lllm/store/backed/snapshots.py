"""The snapshots of a `BackendStore`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from lllm.store.backed.core import BackedCore
from lllm.store.backend import Reader
from lllm.store.documents import snapshot_of
from lllm.store.engine import snapshots
from lllm.store.engine.lookup import require_snapshot
from lllm.store.inputs import whole_number
from lllm.store.models import Snapshot
from lllm.store.names import require_segment
from lllm.store.protocol.snapshots import SnapshotOperations
from lllm.store.records import snapshot_record

__all__ = ["BackedSnapshots"]


class BackedSnapshots(SnapshotOperations, BackedCore):
    """Snapshots, on a backend's primitives."""

    @override
    def put_snapshot(
        self, snapshot: Snapshot | Mapping[str, Any], *, expected_revision: int | None = None
    ) -> Snapshot:
        record = snapshot_record(snapshot)
        _check_expected(expected_revision)
        return self._write(lambda tx: snapshots.put_snapshot(tx, record, expected=expected_revision))

    @override
    def get_snapshot(self, name: str, *, revision: int | None = None) -> Snapshot:
        require_segment(name, "snapshot.name")
        if revision is not None:
            whole_number(revision, "revision", least=1)
        return snapshot_of(self._read(lambda tx: require_snapshot(tx, name, revision)))

    @override
    def snapshot_history(self, name: str, *, limit: int = 10) -> tuple[Snapshot, ...]:
        whole_number(limit, "limit", least=1)
        require_segment(name, "snapshot.name")

        def work(tx: Reader) -> list[str]:
            require_snapshot(tx, name)
            return tx.snapshot_history(name, limit)

        return tuple(snapshot_of(doc) for doc in self._read(work))

    @override
    def list_snapshots(self, channel: str | None = None) -> tuple[Snapshot, ...]:
        if channel is not None:
            require_segment(channel, "channel.name")
        return tuple(snapshot_of(doc) for doc in self._read(lambda tx: tx.snapshots(channel)))

    @override
    def delete_snapshot(self, name: str, *, expected_revision: int | None = None) -> None:
        require_segment(name, "snapshot.name")
        _check_expected(expected_revision)
        self._write(lambda tx: snapshots.delete_snapshot(tx, name, expected=expected_revision))


def _check_expected(expected_revision: int | None) -> None:
    if expected_revision is not None:
        whole_number(expected_revision, "expected_revision")

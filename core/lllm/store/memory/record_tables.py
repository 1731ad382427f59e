"""Artifacts, snapshots and retentions in dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from typing_extensions import override

from lllm.store.backend import Writer
from lllm.store.memory.undo import Undoable

__all__ = ["RecordTables"]

_ArtifactRow: TypeAlias = tuple[int, str | None, str, tuple[str, ...], str]
"""Running number, channel, path, event ids, document."""


class RecordTables(Undoable, Writer):
    """The primitives of `Writer` that concern artifacts, snapshots and retentions."""

    def __init__(self) -> None:
        super().__init__()
        self._artifacts: dict[str, _ArtifactRow] = {}
        self._artifact_number = 0
        self._artifacts_of: dict[str, dict[str, None]] = {}
        self._snapshots: dict[str, dict[int, tuple[str | None, str]]] = {}
        self._revisions: dict[str, int] = {}
        self._retentions: dict[str, str] = {}

    @override
    def artifact(self, artifact_id: str) -> str | None:
        found = self._artifacts.get(artifact_id)
        return None if found is None else found[4]

    @override
    def artifacts(
        self, *, channel: str | None = None, event_id: str | None = None, after: int = 0, limit: int
    ) -> list[tuple[int, str]]:
        named: Iterable[str] = self._artifacts if event_id is None else self._artifacts_of.get(event_id, ())
        found = (self._artifacts[artifact_id] for artifact_id in named)
        # A deletion that was undone has put its record to the end of the dictionary.
        rows = sorted(
            (number, doc) for number, of, _, _, doc in found if number > after and channel in {None, of}
        )
        return rows[:limit]

    @override
    def artifact_paths(self) -> set[str]:
        return {path for _, _, path, _, _ in self._artifacts.values()}

    @override
    def put_artifact(
        self, artifact_id: str, channel: str | None, path: str, event_ids: Sequence[str], doc: str
    ) -> None:
        number = self._number("_artifact_number")
        self._set(self._artifacts, artifact_id, (number, channel, path, tuple(event_ids), doc))
        for event_id in event_ids:
            self._set(self._artifacts_of.setdefault(event_id, {}), artifact_id, None)

    @override
    def delete_artifact(self, artifact_id: str) -> None:
        row = self._artifacts.get(artifact_id)
        for event_id in () if row is None else row[3]:
            self._delete(self._artifacts_of[event_id], artifact_id)
        self._delete(self._artifacts, artifact_id)

    @override
    def snapshot(self, name: str, revision: int | None = None) -> str | None:
        revisions = self._snapshots.get(name)
        if not revisions:
            return None
        found = revisions.get(max(revisions) if revision is None else revision)
        return None if found is None else found[1]

    @override
    def snapshot_revision(self, name: str) -> int:
        return self._revisions.get(name, 0)

    @override
    def snapshot_history(self, name: str, limit: int) -> list[str]:
        revisions = self._snapshots.get(name, {})
        return [revisions[revision][1] for revision in sorted(revisions, reverse=True)[:limit]]

    @override
    def snapshots(self, channel: str | None = None) -> list[str]:
        newest = [(name, revisions[max(revisions)]) for name, revisions in sorted(self._snapshots.items())]
        return [doc for _, (of, doc) in newest if channel in {None, of}]

    @override
    def put_snapshot(self, name: str, revision: int, channel: str | None, doc: str, keep: int) -> None:
        kept = {old: found for old, found in self._snapshots.get(name, {}).items() if old > revision - keep}
        self._set(self._snapshots, name, {**kept, revision: (channel, doc)})
        self._set(self._revisions, name, revision)

    @override
    def delete_snapshot(self, name: str) -> None:
        self._delete(self._snapshots, name)

    @override
    def retention(self, channel: str) -> str | None:
        return self._retentions.get(channel)

    @override
    def put_retention(self, channel: str, doc: str | None) -> None:
        if doc is None:
            self._delete(self._retentions, channel)
        else:
            self._set(self._retentions, channel, doc)

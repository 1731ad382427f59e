"""Requests about snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lllm.store import Snapshot
from lllm.store.names import require_segment
from lllm_store_http.requests import Call, fill, items_of, nothing, reader

__all__ = ["delete_snapshot", "get_snapshot", "list_snapshots", "put_snapshot", "snapshot_history"]

_SNAPSHOT = reader(Snapshot)
_SNAPSHOTS = items_of("snapshots", reader(tuple[Snapshot, ...]))


def _route(template: str, name: object) -> tuple[str, str]:
    return fill(template, require_segment(name, "snapshot.name")), template


def put_snapshot(name: object, body: Mapping[str, Any]) -> Call[Snapshot]:
    """Write a snapshot."""
    return Call("PUT", *_route("/snapshots/{name}", name), _SNAPSHOT, json=body)


def get_snapshot(name: object, *, revision: int | None = None) -> Call[Snapshot]:
    """Get the newest or one kept revision of a snapshot."""
    if revision is None:
        return Call("GET", *_route("/snapshots/{name}", name), _SNAPSHOT, repeatable=True)
    path = _route("/v1/snapshots/{name}", name)
    return Call("GET", *path, _SNAPSHOT, params={"revision": revision}, repeatable=True)


def list_snapshots(channel: object) -> Call[tuple[Snapshot, ...]]:
    """List the newest revision of all snapshots, or of those of one channel."""
    params = None if channel is None else {"channel": require_segment(channel, "snapshot.channel")}
    return Call("GET", "/v1/snapshots", "/v1/snapshots", _SNAPSHOTS, params=params, repeatable=True)


def snapshot_history(name: object, *, limit: int) -> Call[tuple[Snapshot, ...]]:
    """List the kept revisions of a snapshot, newest first."""
    path = _route("/v1/snapshots/{name}/history", name)
    return Call("GET", *path, _SNAPSHOTS, params={"limit": limit}, repeatable=True)


def delete_snapshot(name: object, *, expected_revision: int | None) -> Call[None]:
    """Delete a snapshot."""
    path = _route("/v1/snapshots/{name}", name)
    return Call("DELETE", *path, nothing, params={"expected_revision": expected_revision})

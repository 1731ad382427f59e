"""Routes of snapshots."""

from __future__ import annotations

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel

from lllm.errors import InvalidPayloadError
from lllm.store import Snapshot
from lllm_serve.stores.access import StoreAccess
from lllm_serve.stores.answers import named, one, plain
from sssn.server import SnapshotWriteRequest

__all__ = ["add_snapshots"]


class SnapshotList(BaseModel):
    """A list of snapshots."""

    snapshots: list[Snapshot]


def add_snapshots(router: APIRouter, access: StoreAccess) -> None:
    """Add the routes of snapshots.

    Args:
        router: Where to add them.
        access: The store.
    """
    aio = access.aio

    @router.put("/snapshots/{name}", response_model=Snapshot)
    async def put_snapshot(
        name: str,
        request: SnapshotWriteRequest,
        expected_revision: int | None = None,
        if_match: str | None = Header(default=None),
    ) -> Response:
        """Write a snapshot; with an expected revision only on top of that one."""
        fields = request.model_dump(exclude={"expected_revision"})
        fields["schema"] = fields.pop("schema_ref")
        if fields["timestamp"] is None:
            del fields["timestamp"]
        expected = request.expected_revision if expected_revision is None else expected_revision
        if expected is None and if_match is not None:
            expected = _revision_of(if_match)
        return one(await aio.put_snapshot({**fields, "name": name}, expected_revision=expected))

    @router.get("/snapshots/{name}", response_model=Snapshot)
    async def get_snapshot(name: str) -> Response:
        """Get the newest revision of a snapshot."""
        return one(await aio.get_snapshot(name))

    @router.get("/v1/snapshots", response_model=SnapshotList)
    async def list_snapshots(channel: str | None = None) -> Response:
        """List snapshots, all or those of a channel."""
        return named("snapshots", await aio.list_snapshots(channel))

    @router.get("/v1/snapshots/{name}", response_model=Snapshot)
    async def get_revision(name: str, revision: int | None = None) -> Response:
        """Get one revision of a snapshot."""
        return one(await aio.get_snapshot(name, revision=revision))

    @router.get("/v1/snapshots/{name}/history", response_model=SnapshotList)
    async def snapshot_history(name: str, limit: int = 10) -> Response:
        """List the kept revisions, newest first."""
        return named("snapshots", await aio.snapshot_history(name, limit=access.limit(limit)))

    @router.delete("/v1/snapshots/{name}")
    async def delete_snapshot(name: str, expected_revision: int | None = None) -> Response:
        """Delete a snapshot; its revisions go on counting."""
        await aio.delete_snapshot(name, expected_revision=expected_revision)
        return plain({"deleted": name})


def _revision_of(header: str) -> int:
    text = header.strip().strip('"')
    if not text.isdecimal():
        raise InvalidPayloadError("If-Match must be the number of a revision.")
    return int(text)

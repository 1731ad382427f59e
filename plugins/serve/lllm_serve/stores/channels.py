"""Routes of channels and their retention."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from lllm.store import Channel, Retention, RetentionReport
from lllm_serve.stores.access import StoreAccess
from lllm_serve.stores.answers import many, one, plain

__all__ = ["add_channels"]


class ChannelChanges(BaseModel):
    """Body of `PATCH /v1/channels/{name}`; what is left out stays."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    schema_ref: str | None = Field(default=None, alias="schema")
    description: str | None = None
    metadata: dict[str, Any] | None = None


class RetentionLimits(BaseModel):
    """Body of `PUT /v1/channels/{name}/retention`."""

    max_events: int | None = None
    max_age_seconds: float | None = None
    max_bytes: int | None = None
    keep_unfinished: bool = True


class RetentionRequest(BaseModel):
    """Body of `POST /v1/retention/apply`."""

    channel: str | None = None
    dry_run: bool = False


class ChannelHead(BaseModel):
    """Newest and oldest cursor of a channel."""

    channel: str
    head: int
    first_cursor: int


def add_channels(router: APIRouter, access: StoreAccess) -> None:
    """Add the routes of channels.

    Args:
        router: Where to add them.
        access: The store.
    """
    aio = access.aio

    @router.post("/channels", response_model=Channel)
    async def create_channel(channel: Channel) -> Response:
        """Create a channel."""
        return one(await aio.create_channel(channel))

    @router.get("/channels", response_model=list[Channel])
    async def list_channels() -> Response:
        """List the channels by name."""
        return many(await aio.list_channels())

    @router.get("/channels/{name}", response_model=Channel)
    async def get_channel(name: str) -> Response:
        """Get a channel."""
        return one(await aio.get_channel(name))

    @router.patch("/v1/channels/{name}", response_model=Channel)
    async def update_channel(name: str, changes: ChannelChanges) -> Response:
        """Change a channel."""
        given = changes.model_dump(exclude_unset=True)
        if "schema_ref" in given:
            given["schema"] = given.pop("schema_ref")
        return one(await aio.update_channel(name, **given))

    @router.delete("/v1/channels/{name}")
    async def delete_channel(name: str, force: bool = False) -> Response:
        """Delete a channel; `force` when it has events or subscriptions."""
        await aio.delete_channel(name, force=force)
        return plain({"deleted": name})

    @router.get("/v1/channels/{name}/head", response_model=ChannelHead)
    async def get_head(name: str) -> Response:
        """Get the newest and the oldest cursor."""
        head = await aio.head(name)
        return plain({"channel": name, "head": head, "first_cursor": await aio.first_cursor(name)})

    @router.get("/v1/channels/{name}/retention", response_model=Retention)
    async def get_retention(name: str) -> Response:
        """Get how long events are kept."""
        return one(await aio.get_retention(name))

    @router.put("/v1/channels/{name}/retention", response_model=Retention)
    async def set_retention(name: str, limits: RetentionLimits) -> Response:
        """Set how long events are kept."""
        await aio.set_retention(name, **limits.model_dump())
        return one(await aio.get_retention(name))

    @router.post("/v1/retention/apply", response_model=RetentionReport)
    async def apply_retention(request: RetentionRequest) -> Response:
        """Remove what need not be kept."""
        return one(await aio.apply_retention(request.channel, dry_run=request.dry_run))

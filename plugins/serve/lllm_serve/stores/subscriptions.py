"""Routes of subscriptions and leases."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from lllm.store import CommitResult, Delivery, Event, Snapshot, Subscription, SubscriptionLag
from lllm_serve.stores.access import StoreAccess
from lllm_serve.stores.answers import many, named, one, plain
from sssn.server import SubscriptionRequest

__all__ = ["add_subscriptions"]


class SubscriptionList(BaseModel):
    """A list of subscriptions."""

    subscriptions: list[Subscription]


class SubscriptionChanges(BaseModel):
    """Body of `PATCH /v1/subscriptions/{subscription_id}`; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    batch_size: int | None = None
    metadata: dict[str, Any] | None = None
    lease_seconds: float | None = None
    max_deliveries: int | None = None
    dead_letter: str | None = None


class LeaseRequest(BaseModel):
    """Body of a lease."""

    limit: int | None = None
    lease_seconds: float | None = None
    consumer: str | None = None
    wait: float | None = None


class Deliveries(BaseModel):
    """Leased events."""

    deliveries: list[Delivery]


class TokenRequest(BaseModel):
    """Body of ack, nack, release, reject and extend."""

    tokens: list[str]
    delay: float = 0.0
    error: str | None = None
    seconds: float | None = None


class Count(BaseModel):
    """How many deliveries it concerned."""

    count: int


class CommitRequest(BaseModel):
    """Body of `POST /v1/commit`."""

    acks: list[str] = []
    events: list[Event] = []
    snapshots: list[Snapshot] = []


class SeekRequest(BaseModel):
    """Body of a seek: exactly one of them."""

    cursor: int | None = None
    time: float | None = None
    to: str | None = None


def add_subscriptions(router: APIRouter, access: StoreAccess) -> None:
    """Add the routes of subscriptions.

    Args:
        router: Where to add them.
        access: The store.
    """
    aio = access.aio

    @router.post("/subscriptions", response_model=Subscription)
    async def create_subscription(request: SubscriptionRequest) -> Response:
        """Create a subscription, or return the one of that id."""
        fields = request.model_dump()
        channel, subscription_id = fields.pop("channel"), fields.pop("id")
        return one(await aio.create_subscription(channel, subscription_id=subscription_id, **fields))

    @router.get("/subscriptions/{subscription_id}", response_model=Subscription)
    async def get_subscription(subscription_id: str) -> Response:
        """Get a subscription."""
        return one(await aio.get_subscription(subscription_id))

    @router.post("/subscriptions/{subscription_id}/pull", response_model=list[Event])
    async def pull_subscription(subscription_id: str, limit: int | None = None) -> Response:
        """Take the next events and advance; a consumer that dies afterwards has lost them."""
        most = access.at_most(limit)
        return many(await aio.pull_subscription(subscription_id, limit=most))

    @router.get("/v1/subscriptions", response_model=SubscriptionList)
    async def list_subscriptions(channel: str | None = None) -> Response:
        """List subscriptions, all or those of a channel."""
        return named("subscriptions", await aio.list_subscriptions(channel))

    @router.get("/v1/subscriptions/{subscription_id}", response_model=Subscription)
    async def get_subscription_v1(subscription_id: str) -> Response:
        """Get a subscription."""
        return one(await aio.get_subscription(subscription_id))

    @router.patch("/v1/subscriptions/{subscription_id}", response_model=Subscription)
    async def update_subscription(subscription_id: str, changes: SubscriptionChanges) -> Response:
        """Change a subscription."""
        return one(await aio.update_subscription(subscription_id, **changes.model_dump(exclude_unset=True)))

    @router.delete("/v1/subscriptions/{subscription_id}")
    async def delete_subscription(subscription_id: str) -> Response:
        """Delete a subscription."""
        await aio.delete_subscription(subscription_id)
        return plain({"deleted": subscription_id})

    @router.post("/v1/subscriptions/{subscription_id}/seek", response_model=Subscription)
    async def seek(subscription_id: str, request: SeekRequest) -> Response:
        """Move a subscription; its leases are void."""
        return one(await aio.seek(subscription_id, **request.model_dump(exclude_none=True)))

    @router.get("/v1/subscriptions/{subscription_id}/lag", response_model=SubscriptionLag)
    async def lag(subscription_id: str) -> Response:
        """Get how far a subscription is behind."""
        return one(await aio.lag(subscription_id))

    _add_leases(router, access)


def _add_leases(router: APIRouter, access: StoreAccess) -> None:
    aio = access.aio

    @router.post("/v1/subscriptions/{subscription_id}/lease", response_model=Deliveries)
    async def lease(subscription_id: str, request: LeaseRequest) -> Response:
        """Lease events, waiting for them when asked to."""
        found = await aio.lease(
            subscription_id,
            limit=access.at_most(request.limit),
            lease_seconds=request.lease_seconds,
            consumer=request.consumer,
            wait=access.wait(request.wait),
        )
        return named("deliveries", found)

    @router.post("/v1/leases/ack", response_model=Count)
    async def ack(request: TokenRequest) -> Response:
        """Finish deliveries."""
        return plain({"count": await aio.ack(request.tokens)})

    @router.post("/v1/leases/nack", response_model=Count)
    async def nack(request: TokenRequest) -> Response:
        """Give deliveries back."""
        count = await aio.nack(request.tokens, delay=request.delay, error=request.error)
        return plain({"count": count})

    @router.post("/v1/leases/release", response_model=Count)
    async def release(request: TokenRequest) -> Response:
        """Give deliveries back that were never worked on."""
        return plain({"count": await aio.release(request.tokens)})

    @router.post("/v1/leases/reject", response_model=Count)
    async def reject(request: TokenRequest) -> Response:
        """Give deliveries up."""
        return plain({"count": await aio.reject(request.tokens, error=request.error)})

    @router.post("/v1/leases/extend", response_model=Deliveries)
    async def extend(request: TokenRequest) -> Response:
        """Move deadlines."""
        seconds: Any = request.seconds
        return named("deliveries", await aio.extend(request.tokens, seconds=seconds))

    @router.post("/v1/commit", response_model=CommitResult)
    async def commit(request: CommitRequest) -> Response:
        """Finish deliveries, append events and write snapshots in one commit."""
        return one(await aio.commit(acks=request.acks, events=request.events, snapshots=request.snapshots))

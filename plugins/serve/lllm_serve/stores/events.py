"""Routes of events: append, read, wait, lineage."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from lllm.store import Artifact, Event, page_token
from lllm_serve.stores.access import StoreAccess
from lllm_serve.stores.answers import many, named, one

__all__ = ["add_events"]


class EventBatch(BaseModel):
    """Body of `POST /v1/events/batch`, and its answer."""

    events: list[Event]


class EventPage(BaseModel):
    """A page of events with the cursor to go on from and the newest one."""

    events: list[Event]
    next_cursor: int
    head: int


class Lineage(BaseModel):
    """Related events, and the position of the next page."""

    events: list[Event]
    next: str | None = None


class ArtifactList(BaseModel):
    """A list of artifacts."""

    artifacts: list[Artifact]


def add_events(router: APIRouter, access: StoreAccess) -> None:
    """Add the routes of events.

    Args:
        router: Where to add them.
        access: The store.
    """
    aio = access.aio

    @router.post("/events", response_model=Event)
    async def append_event(event: Event) -> Response:
        """Append an event; a repeat of the same event returns the stored one."""
        return one(await aio.append_event(event))

    @router.get("/events", response_model=list[Event])
    async def query_events(
        channel: str, after_cursor: int = 0, limit: int = 100, kind: str | None = None
    ) -> Response:
        """List events of a channel in cursor order."""
        found = await aio.query_events(
            channel, after_cursor=after_cursor, limit=access.limit(limit), kind=kind
        )
        return many(found)

    @router.get("/events/{event_id}", response_model=Event)
    async def get_event(event_id: str) -> Response:
        """Get an event."""
        return one(await aio.get_event(event_id))

    @router.post("/v1/events/batch", response_model=EventBatch)
    async def append_events(batch: EventBatch) -> Response:
        """Append events, all or none."""
        return named("events", await aio.append_events(batch.events))

    @router.get("/v1/events", response_model=EventPage)
    async def search_events(
        channel: str,
        *,
        after_cursor: int = 0,
        limit: int = 100,
        kind: str | None = None,
        source: str | None = None,
        correlation_id: str | None = None,
        before_cursor: int | None = None,
        reverse: bool = False,
        wait: Annotated[float | None, Query(description="Seconds to wait for an event.")] = None,
    ) -> Response:
        """List events by more criteria, or wait for the first one."""
        criteria: dict[str, Any] = {
            "source": source,
            "correlation_id": correlation_id,
            "before_cursor": before_cursor,
            "reverse": reverse,
        }
        most = access.limit(limit)
        found = await aio.query_events(channel, after_cursor=after_cursor, limit=most, kind=kind, **criteria)
        seconds = access.wait(wait)
        if not found and seconds and not any(criteria.values()):
            found = await aio.wait_events(
                channel, after_cursor=after_cursor, kind=kind, limit=most, timeout=seconds
            )
        head = await aio.head(channel)
        next_cursor = found[-1].cursor if found else after_cursor
        return named("events", found, next_cursor=next_cursor, head=head)

    _add_lineage(router, access)


def _add_lineage(router: APIRouter, access: StoreAccess) -> None:
    aio = access.aio

    @router.get("/v1/events/{event_id}/parents", response_model=Lineage)
    async def parents(event_id: str) -> Response:
        """List the events that an event was made from."""
        return named("events", await aio.parents(event_id), next=None)

    @router.get("/v1/events/{event_id}/children", response_model=Lineage)
    async def children(event_id: str, limit: int = 100, after: str = "0") -> Response:
        """List the events that were made from an event."""
        found = await aio.children(event_id, limit=access.limit(limit), after=after)
        return named("events", found, next=_next_page(found, limit))

    @router.get("/v1/events/{event_id}/ancestors", response_model=Lineage)
    async def ancestors(event_id: str, depth: int | None = None, limit: int = 1000) -> Response:
        """List everything an event goes back to, nearest first."""
        found = await aio.ancestors(event_id, depth=depth, limit=access.limit(limit))
        return named("events", found, next=None)

    @router.get("/v1/events/{event_id}/descendants", response_model=Lineage)
    async def descendants(event_id: str, depth: int | None = None, limit: int = 1000) -> Response:
        """List everything that goes back to an event, nearest first."""
        found = await aio.descendants(event_id, depth=depth, limit=access.limit(limit))
        return named("events", found, next=None)

    @router.get("/v1/events/{event_id}/artifacts", response_model=ArtifactList)
    async def artifacts_for(event_id: str) -> Response:
        """List the artifacts that name an event."""
        return named("artifacts", await aio.artifacts_for(event_id))

    @router.get("/v1/trace/{correlation_id}", response_model=Lineage)
    async def trace(correlation_id: str, limit: int = 1000, after: str = "0") -> Response:
        """List the events of a correlation, over all channels, in the order of their append."""
        found = await aio.trace(correlation_id, limit=access.limit(limit), after=after)
        return named("events", found, next=_next_page(found, limit))


def _next_page(found: tuple[Event, ...], limit: int) -> str | None:
    return str(page_token(found[-1])) if len(found) == limit else None

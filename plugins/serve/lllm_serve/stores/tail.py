"""The live end of a channel as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from lllm.errors import InvalidPayloadError, SSSNError
from lllm.store import Event
from lllm_serve.stores.access import StoreAccess
from lllm_serve.stores.answers import body_of
from lllm_serve.stores.errors import envelope

__all__ = ["KEEP_ALIVE_SECONDS", "add_tail"]

KEEP_ALIVE_SECONDS = 15.0
"""Longest silence on a tail."""

_PAGE = 100


def add_tail(router: APIRouter, access: StoreAccess) -> None:
    """Add the route of the tail.

    Args:
        router: Where to add it.
        access: The store.
    """
    aio = access.aio

    @router.get("/v1/channels/{name}/tail", response_class=StreamingResponse)
    async def tail(
        request: Request,
        name: str,
        after_cursor: int | None = None,
        kind: str | None = None,
        last_event_id: str | None = Header(default=None),
    ) -> StreamingResponse:
        """Stream the events of a channel as they come, from a cursor or from the live end."""
        after = after_cursor
        if last_event_id is not None:
            if not last_event_id.isdecimal():
                raise InvalidPayloadError("Last-Event-ID must be a cursor.")
            after = int(last_event_id)
        if after is None:
            after = await aio.head(name)
        # Bad names and cursors are refused before the stream begins.
        await aio.query_events(name, after_cursor=after, limit=1, kind=kind)
        return StreamingResponse(
            _frames(request, access, name, after, kind),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


async def _frames(
    request: Request, access: StoreAccess, name: str, after: int, kind: str | None
) -> AsyncIterator[bytes]:
    silence = min(KEEP_ALIVE_SECONDS, access.max_wait)
    try:
        while not await request.is_disconnected():
            events = await access.aio.wait_events(
                name, after_cursor=after, kind=kind, limit=_PAGE, timeout=silence
            )
            if not events:
                yield b": keep-alive\n\n"
                continue
            yield b"".join(map(_frame, events))
            after = events[-1].cursor or after
    except SSSNError as error:
        yield b"event: error\ndata: " + to_json(envelope(type(error).__name__, str(error))) + b"\n\n"


def _frame(event: Event) -> bytes:
    return b"id: %d\nevent: event\ndata: %s\n\n" % (event.cursor or 0, body_of(event))

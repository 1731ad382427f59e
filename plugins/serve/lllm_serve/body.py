"""Reading the body of a request, once and up to a limit."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive

from lllm_serve.failures import Refusal
from lllm_serve.request_state import RequestState

__all__ = ["CallerGone", "check_length", "discard_body", "limited", "read_body", "too_large"]


_MOST_DISCARDED = 1 << 28
_PATIENCE_SECONDS = 0.25


class CallerGone(Exception):
    """The caller closed the connection before it had sent its request."""


def too_large(limit: int) -> Refusal:
    """Return the refusal of a body that is too large.

    Args:
        limit: Most bytes that are read.
    """
    return Refusal(
        413,
        "PayloadTooLarge",
        f"The request body is larger than {limit} bytes, which is the limit here.",
    )


def check_length(state: RequestState, limit: int) -> bool:
    """Refuse a body that is announced to be too large, before any of it is read.

    Args:
        state: The notes on the request.
        limit: Most bytes that are read.

    Returns:
        Whether the length was announced.

    Raises:
        Refusal: It is larger than `limit` (413), or the header is no number (400).
    """
    announced = state.headers.get(b"content-length")
    if announced is None:
        return False
    if not announced.isdigit():
        raise Refusal(400, "BadRequest", "Content-Length must be a number of bytes.")
    if len(announced) > 18 or int(announced) > limit:
        raise too_large(limit)
    return True


def limited(receive: Receive, limit: int) -> Receive:
    """Return a `receive` that refuses more than `limit` bytes of body, for bodies of unannounced length.

    Args:
        receive: The ASGI function of the request.
        limit: Most bytes that are read.
    """
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > limit:
                raise too_large(limit)
        return message

    return counted


async def discard_body(receive: Receive, state: RequestState) -> None:
    """Read on for a while although nobody wants the body, where a connection that is closed would lose the answer.

    A connection that stays open needs no such care: the server skips the rest of the body itself.

    Args:
        receive: The ASGI function of the request.
        state: The notes on the request.
    """
    closes = b"close" in state.headers.get(b"connection", b"").lower()
    if not closes or b"expect" in state.headers:
        return
    left = _MOST_DISCARDED
    with suppress(TimeoutError):
        while left > 0:
            message = await asyncio.wait_for(receive(), _PATIENCE_SECONDS)
            left -= len(message.get("body", b""))
            if not message.get("more_body", False):
                return


async def read_body(receive: Receive, message: Message) -> bytes:
    """Return the whole body.

    Args:
        receive: The ASGI function of the request, behind the guard that limits it.
        message: What it returned first.

    Raises:
        CallerGone: The connection was closed before the body was complete.
        Refusal: It is larger than the limit.
    """
    if message["type"] == "http.disconnect":
        raise CallerGone
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return first
    chunks = [first]
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)

"""Server-sent events: frames as bytes, and a stream of them that is honest about its beginning and its end.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable

from starlette.types import Send

from lllm_serve.replies import Header

__all__ = ["EVENT_STREAM", "EventStream", "frame"]

EVENT_STREAM = b"text/event-stream; charset=utf-8"
HOLD_SECONDS = 1.0
"""How long the answer is held back for the first frame, so that an early failure keeps its status."""

_PING = b": ping\n\n"


def frame(number: int, data: bytes, event: bytes | None = None) -> bytes:
    """Return one frame.

    Args:
        number: Its id.
        data: JSON on one line.
        event: Name of the event, or None.
    """
    if event is None:
        return b"id: %d\ndata: %b\n\n" % (number, data)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, event, data)


class EventStream:
    """Sends frames to one caller.

    The answer begins with the first frame, or after a second without one. In silence a comment says that the stream
    is alive. The last frame is `event: end` without data, so that a broken connection can be told from the end.

    Args:
        send: ASGI function of the request.
        heartbeat: Seconds of silence after which a comment is sent.
        headers: Further headers of the answer.
    """

    __slots__ = ("_beat", "_headers", "_heartbeat", "_loop", "_number", "_send", "_sending", "_side", "_started", "_told")

    def __init__(self, send: Send, heartbeat: float, headers: Iterable[Header] = ()) -> None:
        self._send = send
        self._heartbeat = heartbeat
        self._headers = [
            (b"content-type", EVENT_STREAM),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            *headers,
        ]
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._started = False
        self._sending = False
        self._told = 0.0
        self._side: asyncio.Task[None] | None = None
        self._beat = self._loop.call_later(HOLD_SECONDS, self._begin_beside)

    @property
    def started(self) -> bool:
        """Whether the answer has begun, so that its status cannot be another one any more."""
        return self._started

    async def data(self, data: bytes, event: bytes | None = None) -> None:
        """Send a frame.

        Args:
            data: JSON on one line.
            event: Name of the event, or None.
        """
        self._number += 1
        await self._write(frame(self._number, data, event))

    async def end(self, comment: bytes | None = None) -> None:
        """Send the last frame and finish the answer.

        Args:
            comment: Text of a comment before it, or None.
        """
        self._beat.cancel()
        said = b"" if comment is None else b": %b\n\n" % comment
        last = b"%bid: %d\nevent: end\n\n" % (said, self._number + 1)
        await self._write(last, more=False)

    def close(self) -> None:
        """Send nothing more; for a stream whose caller has left, or that never began."""
        self._beat.cancel()
        if self._side is not None:
            self._side.cancel()

    async def _write(self, chunk: bytes, *, more: bool = True) -> None:
        if not self._started:
            await self._start()
        elif self._side is not None and not self._side.done():
            await self._side
        self._told = self._loop.time()
        self._sending = True
        await self._send({"type": "http.response.body", "body": chunk, "more_body": more})
        self._sending = False

    async def _start(self) -> None:
        self._started = True
        self._beat.cancel()
        self._beat = self._loop.call_later(self._heartbeat, self._beat_beside)
        self._told = self._loop.time()
        await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})

    def _aside(self, sending: Coroutine[None, None, None]) -> None:
        """Send something while the next frame is waited for."""
        self._side = self._loop.create_task(sending)
        self._side.add_done_callback(_forget)

    def _begin_beside(self) -> None:
        """Begin the answer while the first frame is still waited for."""
        if not self._started:
            self._aside(self._start())

    def _beat_beside(self) -> None:
        """Say that the stream is alive when it has been silent for long enough; else look again later."""
        silent = self._loop.time() - self._told
        if silent >= self._heartbeat * 0.999:
            if not self._sending:
                self._aside(self._ping())
            silent = 0.0
        self._beat = self._loop.call_later(self._heartbeat - silent, self._beat_beside)

    async def _ping(self) -> None:
        self._told = self._loop.time()
        await self._send({"type": "http.response.body", "body": _PING, "more_body": True})


def _forget(sending: asyncio.Task[None]) -> None:
    """Take notice of an error: the caller has left, which the next frame finds out as well."""
    if not sending.cancelled():
        sending.exception()

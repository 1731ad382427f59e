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

_BATCH_BYTES = 16_384
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
    Frames that come at once are sent at once: those that are there before the event loop gets its turn are one write.

    Args:
        send: ASGI function of the request.
        heartbeat: Seconds of silence after which a comment is sent.
        headers: Further headers of the answer.
    """

    __slots__ = (
        "_beat",
        "_flush_soon",
        "_frames",
        "_headers",
        "_heartbeat",
        "_loop",
        "_number",
        "_send",
        "_side",
        "_size",
        "_started",
        "_told",
    )

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
        self._frames: list[bytes] = []
        self._size = 0
        self._started = False
        self._told = 0.0
        self._side: asyncio.Task[None] | None = None
        self._flush_soon: asyncio.Handle | None = None
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
        self._frames.append(frame(self._number, data, event))
        self._size += len(data)
        if not self._started:
            await self._flush()
        elif self._size >= _BATCH_BYTES:
            await self._flush()
            # A stream that never waits would keep everybody else, and the news that its caller has left, waiting.
            await asyncio.sleep(0)
        elif self._flush_soon is None:
            self._flush_soon = self._loop.call_soon(self._flush_beside)

    async def end(self, comment: bytes | None = None) -> None:
        """Send the last frame and finish the answer.

        Args:
            comment: Text of a comment before it, or None.
        """
        self._beat.cancel()
        if comment is not None:
            self._frames.append(b": %b\n\n" % comment)
        self._frames.append(b"id: %d\nevent: end\n\n" % (self._number + 1))
        await self._flush(more=False)

    def close(self) -> None:
        """Send nothing more; for a stream whose caller has left, or that never began."""
        self._beat.cancel()
        if self._flush_soon is not None:
            self._flush_soon.cancel()
        if self._side is not None:
            self._side.cancel()

    async def _flush(self, *, more: bool = True) -> None:
        """Send the frames that are there, after whatever is being sent beside."""
        if self._flush_soon is not None:
            self._flush_soon.cancel()
            self._flush_soon = None
        if self._side is not None and not self._side.done():
            await self._side
        if not self._started:
            await self._start()
        await self._write(more)

    async def _write(self, more: bool) -> None:
        chunk = b"".join(self._frames) if len(self._frames) != 1 else self._frames[0]
        self._frames.clear()
        self._size = 0
        self._told = self._loop.time()
        await self._send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _start(self) -> None:
        self._started = True
        self._beat.cancel()
        self._told = self._loop.time()
        self._beat = self._loop.call_later(self._heartbeat, self._beat_beside)
        await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})

    # What happens while the next frame is waited for

    def _aside(self, sending: Coroutine[None, None, None]) -> None:
        self._side = self._loop.create_task(sending)
        self._side.add_done_callback(_forget)

    def _is_sending(self) -> bool:
        return self._side is not None and not self._side.done()

    def _begin_beside(self) -> None:
        if not self._started:
            self._aside(self._start())

    def _flush_beside(self) -> None:
        self._flush_soon = None
        if self._frames and not self._is_sending():
            self._aside(self._write(more=True))

    def _beat_beside(self) -> None:
        """Say that the stream is alive when it has been silent for long enough; else look again later."""
        silent = self._loop.time() - self._told
        if silent >= self._heartbeat * 0.999:
            if not self._is_sending():
                self._frames.append(_PING)
                self._aside(self._write(more=True))
            silent = 0.0
        self._beat = self._loop.call_later(self._heartbeat - silent, self._beat_beside)


def _forget(sending: asyncio.Task[None]) -> None:
    """Take notice of an error: the caller has left, which the next frame finds out as well."""
    if not sending.cancelled():
        sending.exception()

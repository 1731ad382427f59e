"""Let calls finish before a server stops.

A server tells its application that it stops when every connection is already closed. Here the signal that would stop
it is held back until the calls under way are done: meanwhile `/ready` says no and new calls are sent elsewhere.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

from lllm_serve.service import Service

__all__ = ["drain_on_signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def drain_on_signals(service: Service) -> None:
    """Drain a service when its process is told to stop, and only then let the server know; again: at once.

    Args:
        service: The service, before it has started.
    """

    @asynccontextmanager
    async def watching() -> AsyncIterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals only reach the main thread
            return
        watch = _SignalWatch(service)
        try:
            yield
        finally:
            watch.stop()

    service.add_lifespan(watching)


class _SignalWatch:
    """Stands before the handlers that the server has installed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None
        self._handlers: dict[int, Any] = {each: signal.getsignal(each) for each in _SIGNALS}
        for each in _SIGNALS:
            signal.signal(each, self._handle)

    def stop(self) -> None:
        """Put the handlers back."""
        for each, handler in self._handlers.items():
            signal.signal(each, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain(number))
        else:
            self._pass_on(number)

    async def _drain(self, number: int) -> None:
        await self._service.drain()
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        handler = self._handlers[number]
        if callable(handler):
            handler(number, None)
        elif handler is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

"""Let calls finish before a server stops.

A server tells its application that it stops when every connection is already closed. Here the signal that would stop
it is held back until the calls under way are done: meanwhile `/ready` says no and new calls are sent elsewhere.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

from lllm_serve.service import LAST_WORDS_SECONDS, Service

__all__ = ["drain_on_signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


_SERVER_SECONDS = 10.0
"""How long a server may take to stop once the service has been drained."""


def drain_on_signals(service: Service, *, overdue: Callable[[], object] | None = None) -> None:
    """Drain a service when its process is told to stop, and only then let the server know; again: at once.

    Args:
        service: The service, before it has started.
        overdue: Called in a thread when the process is still there long after it should have ended, since a tactic
            blocks the event loop or does not let itself be cancelled; it is to end the process.
    """

    @asynccontextmanager
    async def watching() -> AsyncIterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals only reach the main thread
            return
        watch = _SignalWatch(service, overdue)
        try:
            yield
        finally:
            watch.stop()

    service.add_lifespan(watching)


class _SignalWatch:
    """Stands before the handlers that the server has installed."""

    def __init__(self, service: Service, overdue: Callable[[], object] | None) -> None:
        self._service = service
        self._overdue = overdue
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
        overdue, self._overdue = self._overdue, None
        if overdue is not None:
            seconds = self._service.options.drain_timeout + LAST_WORDS_SECONDS + _SERVER_SECONDS
            timer = threading.Timer(seconds, overdue)
            timer.daemon = True
            timer.start()
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

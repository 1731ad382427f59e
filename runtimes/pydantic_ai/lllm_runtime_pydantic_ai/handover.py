"""Streams whose resources belong to one task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Generic, Self, TypeVar

__all__ = ["OwnedStream"]

T = TypeVar("T")

_AHEAD = 16
"""How many items a stream may run ahead of its reader."""


class _End:
    """Marks the end of a stream."""


class OwnedStream(AsyncIterator[T], Generic[T]):
    """Iterates over an asynchronous generator that one task of its own makes, advances and closes.

    Cancel scopes, context variables and spans must be left in the task that entered them; a reader may ask for each
    item in another task. Closing the stream, or cancelling its reader, cancels that task and waits until it has
    closed everything.

    It is no generator itself: that could not be closed while somebody waits for its next item.

    Args:
        make: Returns the generator.
    """

    def __init__(self, make: Callable[[], AsyncGenerator[T, None]]) -> None:
        self._make = make
        self._items: asyncio.Queue[T | _End] = asyncio.Queue()
        self._room = asyncio.Semaphore(_AHEAD)
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> T:
        """Return the generator's next item, or raise what it raised."""
        if self._ended:
            raise StopAsyncIteration
        if self._task is None:
            self._task = asyncio.create_task(self._pump())
        try:
            item = await self._items.get()
            if isinstance(item, _End) and not self._ended:  # somebody else may have closed it meanwhile
                await self._task
        except BaseException:
            await self.aclose()
            raise
        if isinstance(item, _End):
            self._ended = True
            raise StopAsyncIteration
        self._room.release()
        return item

    async def aclose(self) -> None:
        """Cancel the task if it still runs, and wait until it has ended; what it raises then is nobody's any more."""
        self._ended = True
        task = self._task
        if task is None:
            return
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()

    async def _pump(self) -> None:
        try:
            async with aclosing(self._make()) as source:
                async for item in source:
                    await self._room.acquire()
                    self._items.put_nowait(item)
        finally:
            self._items.put_nowait(_End())

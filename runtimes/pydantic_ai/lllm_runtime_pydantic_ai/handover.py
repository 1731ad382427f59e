"""Streams whose resources belong to one task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar

__all__ = ["owned_by_one_task"]

T = TypeVar("T")

_AHEAD = 16
"""How many items a stream may run ahead of its reader."""


class _End:
    """Marks the end of a stream."""


async def owned_by_one_task(make: Callable[[], AsyncGenerator[T, None]]) -> AsyncIterator[T]:
    """Iterate over an asynchronous generator that one task of its own makes, advances and closes.

    Cancel scopes, context variables and spans must be left in the task that entered them; a reader may ask for each
    item in another task. Leaving the iteration cancels that task and waits until it has closed everything.

    Args:
        make: Returns the generator.

    Yields:
        The generator's items, and raises what it raises.
    """
    items: asyncio.Queue[T | _End] = asyncio.Queue()
    room = asyncio.Semaphore(_AHEAD)

    async def pump() -> None:
        try:
            async with aclosing(make()) as source:
                async for item in source:
                    await room.acquire()
                    items.put_nowait(item)
        finally:
            items.put_nowait(_End())

    task = asyncio.create_task(pump())
    try:
        while not isinstance(item := await items.get(), _End):
            room.release()
            yield item
        await task
    finally:
        await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task that still runs, and wait until it has ended; what it raises then is nobody's any more."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()

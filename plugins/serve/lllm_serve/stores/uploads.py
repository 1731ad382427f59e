"""From the asynchronous body of a request to a store that reads in a worker thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from lllm.errors import SSSNError
from lllm.store import Artifact
from lllm_serve.stores.access import StoreAccess

__all__ = ["feed", "store_upload"]

T = TypeVar("T")

_AHEAD = 8
"""How many chunks the network may run ahead of the disk."""


class _Broken(SSSNError):
    """The body ended before it was complete."""


async def feed(request: Request, consume: Callable[[Iterator[bytes]], T]) -> T:
    """Let a synchronous function read the body of a request, without holding more than a few chunks.

    Args:
        request: The request.
        consume: Called in a worker thread with the chunks.

    Returns:
        What it returns.

    Raises:
        SSSNError: The caller went away; the function was told by the same error.
    """
    chunks: Queue[bytes | BaseException | None] = Queue(_AHEAD)
    loop = asyncio.get_running_loop()
    work = loop.run_in_executor(None, consume, _chunks(chunks))
    try:
        async for chunk in request.stream():
            if chunk and not work.done():
                await _put(chunks, chunk, work)
        await _put(chunks, None, work)
    except ClientDisconnect:
        await _put(chunks, _Broken("The upload broke off."), work)
    except BaseException as error:
        await _put(chunks, _Broken(f"The upload failed: {type(error).__name__}"), work)
        await asyncio.gather(work, return_exceptions=True)
        raise
    return await work


async def _put(chunks: Queue[Any], item: Any, work: asyncio.Future[Any]) -> None:
    """Hand an item over, waiting for room without blocking the loop; a reader that has ended needs none."""
    while chunks.full():
        if work.done():
            return
        await asyncio.sleep(0.001)
    chunks.put_nowait(item)


def _chunks(chunks: Queue[Any]) -> Iterator[bytes]:
    while (item := chunks.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


async def store_upload(request: Request, access: StoreAccess, fields: dict[str, Any]) -> Artifact:
    """Stream the body of a request into an artifact.

    Args:
        request: The request.
        access: The store.
        fields: Keyword arguments of `write_artifact_stream`.
    """
    return await feed(request, lambda chunks: access.store.write_artifact_stream(chunks, **fields))

"""Routes of upkeep: health, figures, checks, export and import."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from lllm.errors import InvalidPayloadError
from lllm.store import CheckReport
from lllm_serve.stores.access import StoreAccess
from lllm_serve.stores.answers import one, plain
from lllm_serve.stores.uploads import feed

__all__ = ["add_health", "add_upkeep"]


class CheckRequest(BaseModel):
    """Body of `POST /v1/check`."""

    deep: bool = False


class GarbageRequest(BaseModel):
    """Body of `POST /v1/garbage`."""

    older_than: float = 3600
    dry_run: bool = False


def add_health(router: APIRouter) -> None:
    """Add the route that says that the service is there.

    Args:
        router: Where to add it.
    """

    @router.get("/health")
    async def health() -> dict[str, bool]:
        """Tell that the service answers."""
        return {"ok": True}


def add_upkeep(router: APIRouter, access: StoreAccess) -> None:
    """Add the routes of upkeep.

    Args:
        router: Where to add them.
        access: The store.
    """
    aio = access.aio

    @router.get("/v1/stats", response_model=dict[str, Any])
    async def stats() -> Response:
        """Get counts, sizes, heads and lags."""
        return plain(await aio.stats())

    @router.get("/v1/capabilities", response_model=dict[str, Any])
    async def capabilities() -> Response:
        """Get what the store promises."""
        return plain(await aio.capabilities())

    @router.post("/v1/check", response_model=CheckReport)
    async def check(request: CheckRequest | None = None) -> Response:
        """Look for damage."""
        return one(await aio.check(deep=request is not None and request.deep))

    @router.post("/v1/garbage", response_model=dict[str, Any])
    async def collect_garbage(request: GarbageRequest | None = None) -> Response:
        """Remove bytes that no artifact names."""
        wanted = request or GarbageRequest()
        return plain(await aio.collect_garbage(older_than=wanted.older_than, dry_run=wanted.dry_run))

    @router.get("/v1/export", response_class=StreamingResponse)
    def export(artifacts: bool = True) -> StreamingResponse:
        """Stream everything as JSON Lines."""
        return StreamingResponse(_export(access, artifacts), media_type="application/x-ndjson")

    @router.post("/v1/import", response_model=dict[str, int])
    async def import_(request: Request, on_conflict: str = "error") -> Response:
        """Take the lines of an export in."""

        def consume(chunks: Iterator[bytes]) -> int:
            return access.store.import_(_Lines(chunks), on_conflict=on_conflict)  # type: ignore[arg-type]

        return plain({"count": await feed(request, consume)})


def _export(access: StoreAccess, artifacts: bool) -> Iterator[bytes]:
    """Yield an export while it is written, through a pipe, so that memory does not grow with the store."""
    read, write = os.pipe()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with os.fdopen(write, "w", encoding="utf-8") as target:
                access.store.export(target, artifacts=artifacts)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, name="lllm-export", daemon=True)
    thread.start()
    with os.fdopen(read, "rb") as source:
        while chunk := source.read1(1 << 16):
            yield chunk
    thread.join()
    if failures:
        raise failures[0]


class _Lines:
    """A text file made of chunks of bytes, as far as reading lines needs it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._lines = _lines(chunks)

    def __iter__(self) -> Iterator[str]:
        # One iterator for both ways of reading: the header is read by `readline`, the rest by iterating.
        return self._lines

    def readline(self) -> str:
        """Return the next line, empty at the end."""
        return next(self._lines, "")


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8") + "\n"
    if rest:
        yield rest.decode("utf-8")


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidPayloadError(f"The lines of an import must be UTF-8: {error.reason}.") from error

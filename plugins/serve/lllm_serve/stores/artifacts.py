"""Routes of artifacts: small ones as JSON, large ones streamed in both directions."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from lllm.errors import InvalidPayloadError
from lllm.store import Artifact
from lllm_serve.stores.access import StoreAccess
from lllm_serve.stores.answers import named, one, plain
from lllm_serve.stores.uploads import store_upload
from sssn.server import ArtifactWriteRequest

__all__ = ["add_artifacts"]

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_ACTIVE = ("html", "svg", "xml", "javascript", "ecmascript")
_WHOLE = 1 << 20
"""Up to this many bytes an artifact is read and verified before the answer begins."""


class ArtifactList(BaseModel):
    """A list of artifacts."""

    artifacts: list[Artifact]


def add_artifacts(router: APIRouter, access: StoreAccess) -> None:
    """Add the routes of artifacts.

    Args:
        router: Where to add them.
        access: The store.
    """
    aio = access.aio

    @router.post("/artifacts", response_model=Artifact)
    async def write_artifact(request: ArtifactWriteRequest) -> Response:
        """Write an artifact that is text or base64."""
        fields = request.model_dump(exclude={"data", "encoding"})
        return one(await aio.write_artifact(request.bytes(), **fields))

    @router.post("/v1/artifacts", response_model=Artifact)
    async def upload_artifact(
        request: Request,
        *,
        channel: str | None = None,
        media_type: str = "application/octet-stream",
        metadata: str | None = None,
        event_id: Annotated[list[str] | None, Query()] = None,
        sha256: str | None = None,
        artifact_id: Annotated[str | None, Query(alias="id")] = None,
    ) -> Response:
        """Write an artifact whose bytes are the body, streamed to disk."""
        fields: dict[str, Any] = {
            "channel": channel,
            "media_type": media_type,
            "metadata": _object(metadata),
            "event_ids": tuple(event_id or ()),
            "sha256": sha256,
            "artifact_id": artifact_id,
        }
        return one(await store_upload(request, access, fields))

    @router.get("/artifacts/{artifact_id}/metadata", response_model=Artifact)
    async def get_artifact(artifact_id: str) -> Response:
        """Get the record of an artifact."""
        return one(await aio.get_artifact(artifact_id))

    @router.head("/artifacts/{artifact_id}", response_class=Response, include_in_schema=False)
    @router.get("/artifacts/{artifact_id}", response_class=Response)
    async def read_artifact(artifact_id: str, request: Request) -> Response:
        """Get the bytes of an artifact, all or a range."""
        return await _content(access, await aio.get_artifact(artifact_id), request)

    @router.get("/v1/artifacts", response_model=ArtifactList)
    async def list_artifacts(
        channel: str | None = None, event_id: str | None = None, limit: int = 100
    ) -> Response:
        """List artifacts, all or those of a channel or an event."""
        found = await aio.list_artifacts(channel=channel, event_id=event_id, limit=access.limit(limit))
        return named("artifacts", found)

    @router.delete("/v1/artifacts/{artifact_id}")
    async def delete_artifact(artifact_id: str) -> Response:
        """Delete the record of an artifact."""
        await aio.delete_artifact(artifact_id)
        return plain({"deleted": artifact_id})


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPayloadError(f"artifact.metadata must be a JSON object: {error}") from error
    if not isinstance(value, dict):
        raise InvalidPayloadError("artifact.metadata must be an object.")
    return value


async def _content(access: StoreAccess, artifact: Artifact, request: Request) -> Response:
    headers = _headers(artifact)
    part = _range_of(request.headers.get("range"), artifact.size)
    if part is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{artifact.size}"})
    start, stop = part
    whole = part == (0, artifact.size)
    headers["Content-Length"] = str(stop - start)
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{artifact.size}"
    status = 200 if whole else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    if whole and artifact.size <= _WHOLE:
        return Response(await access.aio.read_artifact(artifact.id), headers=headers)
    chunks = _held_back(access, artifact.id, start, None if whole else stop)
    return StreamingResponse(chunks, status, headers)


async def _held_back(
    access: StoreAccess, artifact_id: str, start: int, stop: int | None
) -> AsyncIterator[bytes]:
    """Stream an artifact one chunk late: when the end turns out to be corrupt, the answer stays incomplete."""
    held = b""
    chunks: Any = access.aio.iter_artifact(artifact_id, start=start, stop=stop)
    async with aclosing(chunks):
        async for chunk in chunks:
            if held:
                yield held
            held = chunk
    yield held


def _headers(artifact: Artifact) -> dict[str, str]:
    media = artifact.media_type
    plain_text = media.startswith("text/") and "charset" not in media
    headers = {
        "Content-Type": f"{media}; charset=utf-8" if plain_text else media,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Accept-Ranges": "bytes",
    }
    if artifact.sha256 is not None:
        headers["ETag"] = f'"{artifact.sha256}"'
    if any(word in media.lower() for word in _ACTIVE):
        headers["Content-Disposition"] = "attachment"
    return headers


def _range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Return which bytes are wanted; a range that cannot be read means all, one outside of the artifact None."""
    match = _RANGE.fullmatch(header.strip()) if header is not None else None
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    start, stop = int(first), size if not last else min(size, int(last) + 1)
    return (start, stop) if start < stop else None

"""Artifacts on a server."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, BinaryIO, cast

from lllm.store import Artifact
from lllm.store.protocol.artifacts import CHUNK_SIZE
from lllm_store_http import artifact_calls, upkeep_calls
from lllm_store_http.artifact_content import Window, hash_of
from lllm_store_http.sending import AsyncSender, Checks, Sender

__all__ = ["AsyncArtifacts", "Artifacts"]

SPOOL_BYTES = 8 * CHUNK_SIZE


class _Windows(Checks):
    def _window(self, artifact_id: str, start: int, stop: int | None, chunk_size: int) -> tuple[Window, int]:
        first = self._whole(start, "start")
        end = None if stop is None else self._whole(stop, "stop")
        return Window(artifact_id, first, end), self._whole(chunk_size, "chunk_size", least=1)


def _spool() -> BinaryIO:
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))


class Artifacts(_Windows, Sender):
    """Artifacts; `lllm.Store` has the rules of each method."""

    def get_artifact(self, artifact_id: str) -> Artifact:
        """Return the record of an artifact."""
        return self._send(artifact_calls.get_artifact(artifact_id))

    def iter_artifact(
        self, artifact_id: str, *, start: int = 0, stop: int | None = None, chunk_size: int = CHUNK_SIZE
    ) -> Iterator[bytes]:
        """Iterate over the bytes of an artifact; a complete pass is verified at its end."""
        window, size = self._window(artifact_id, start, stop, chunk_size)
        return self._parts(artifact_id, artifact_calls.content_path(artifact_id), window, size)

    def _parts(self, artifact_id: str, path: str, window: Window, size: int) -> Iterator[bytes]:
        if window.empty:
            self.get_artifact(artifact_id)
            return
        with self._stream("GET", path, headers=window.headers()) as response:
            if not window.begin(response.status_code):
                return
            for chunk in response.iter_bytes(size):
                if part := window.take(chunk):
                    yield part
            known = hash_of(response.headers.get("etag"))
        if window.complete:
            record = None if known else self.get_artifact(artifact_id)
            window.verify(*(known, None) if record is None else (record.sha256, record.size))

    @contextmanager
    def open_artifact(self, artifact_id: str, *, verify: bool = True) -> Iterator[BinaryIO]:
        """Open the bytes of an artifact, seekable: they are fetched, verified and kept for the block."""
        with _spool() as file:
            for chunk in self.iter_artifact(artifact_id):
                file.write(chunk)
            file.seek(0)
            yield file

    def list_artifacts(
        self, *, channel: str | None = None, event_id: str | None = None, limit: int = 100
    ) -> tuple[Artifact, ...]:
        """Return artifact records in the order of writing."""
        most = self._whole(limit, "limit", least=1)
        return self._send(artifact_calls.list_artifacts(channel=channel, event_id=event_id, limit=most))

    def delete_artifact(self, artifact_id: str) -> None:
        """Delete the record of an artifact."""
        self._send(artifact_calls.delete_artifact(artifact_id))

    def collect_garbage(self, *, older_than: float = 3600, dry_run: bool = False) -> dict[str, Any]:
        """Remove stored bytes that no artifact names, and leftovers of interrupted writes."""
        age = self._seconds(older_than, "older_than")
        return self._send(upkeep_calls.collect_garbage(older_than=age, dry_run=dry_run))


class AsyncArtifacts(_Windows, AsyncSender):
    """Artifacts, as coroutines and async iterators."""

    async def get_artifact(self, artifact_id: str) -> Artifact:
        """Return the record of an artifact."""
        return await self._send(artifact_calls.get_artifact(artifact_id))

    async def iter_artifact(
        self, artifact_id: str, *, start: int = 0, stop: int | None = None, chunk_size: int = CHUNK_SIZE
    ) -> AsyncIterator[bytes]:
        """Iterate over the bytes of an artifact; a complete pass is verified at its end."""
        window, size = self._window(artifact_id, start, stop, chunk_size)
        path = artifact_calls.content_path(artifact_id)
        if window.empty:
            await self.get_artifact(artifact_id)
            return
        async with self._stream("GET", path, headers=window.headers()) as response:
            if not window.begin(response.status_code):
                return
            async for chunk in response.aiter_bytes(size):
                if part := window.take(chunk):
                    yield part
            known = hash_of(response.headers.get("etag"))
        if window.complete:
            record = None if known else await self.get_artifact(artifact_id)
            window.verify(*(known, None) if record is None else (record.sha256, record.size))

    @asynccontextmanager
    async def open_artifact(self, artifact_id: str, *, verify: bool = True) -> AsyncIterator[BinaryIO]:
        """Open the bytes of an artifact, seekable: they are fetched, verified and kept for the block."""
        with _spool() as file:
            async for chunk in self.iter_artifact(artifact_id):
                file.write(chunk)
            file.seek(0)
            yield file

    async def list_artifacts(
        self, *, channel: str | None = None, event_id: str | None = None, limit: int = 100
    ) -> tuple[Artifact, ...]:
        """Return artifact records in the order of writing."""
        most = self._whole(limit, "limit", least=1)
        return await self._send(artifact_calls.list_artifacts(channel=channel, event_id=event_id, limit=most))

    async def delete_artifact(self, artifact_id: str) -> None:
        """Delete the record of an artifact."""
        await self._send(artifact_calls.delete_artifact(artifact_id))

    async def collect_garbage(self, *, older_than: float = 3600, dry_run: bool = False) -> dict[str, Any]:
        """Remove stored bytes that no artifact names, and leftovers of interrupted writes."""
        age = self._seconds(older_than, "older_than")
        return await self._send(upkeep_calls.collect_garbage(older_than=age, dry_run=dry_run))

"""The client of a served store for event loops: its routes as methods, its errors as they come.

The routes that every server has are there from the start; those under `/v1` need a server of LLLM and
raise `SSSNClientError` with status 404 elsewhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self, TypeVar

from lllm.store import Artifact, Channel, CommitResult, Event, Snapshot, Subscription
from lllm.store.inputs import Deliveries, tokens_of
from lllm_store_http import artifact_calls, channel_calls, event_calls, snapshot_calls, subscription_calls
from lllm_store_http.artifact_content import async_chunks_of
from lllm_store_http.artifacts import AsyncArtifacts
from lllm_store_http.channels import AsyncChannels
from lllm_store_http.connections import AsyncPool, build_request, check_base_url, request_headers
from lllm_store_http.events import AsyncEvents
from lllm_store_http.requests import Call
from lllm_store_http.snapshots import AsyncSnapshots
from lllm_store_http.subscriptions import AsyncSubscriptions
from lllm_store_http.upkeep import AsyncUpkeep
from sssn.client_answers import answer, is_route_missing, response_error, verified_content
from sssn.client_bodies import (
    artifact_body,
    artifact_content,
    artifact_fields,
    channel_body,
    commit_body,
    event_body,
    snapshot_body,
    subscription_body,
)
from sssn.errors import SSSNClientError

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncSSSNClient"]

T = TypeVar("T")
UPLOAD_BYTES = 1 << 20


class AsyncSSSNClient(
    AsyncChannels, AsyncEvents, AsyncSubscriptions, AsyncArtifacts, AsyncSnapshots, AsyncUpkeep
):
    """A client for event loops: the methods of `SSSNClient` as coroutines.

    Methods mirror the store; an answer with an error status raises `SSSNClientError`. What is wrong with
    names, kinds, ids, lists and metadata raises `InvalidPayloadError` before anything is sent. Nothing is
    repeated when a connection breaks: `AsyncHTTPStore` is the store that does that.

    Args:
        base_url: Absolute HTTP(S) URL of the server.
        timeout: Longest wait for an answer, in seconds; None waits for ever.
        transport: An httpx transport to use instead of the network.
        token: Bearer token.
        headers: Further headers of every request.

    Raises:
        ValueError: `base_url` is not such a URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float | None = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self.timeout = timeout
        self.transport = transport
        self._pool = AsyncPool(self.base_url, timeout, transport, request_headers(token, headers))

    def __repr__(self) -> str:
        return f"AsyncSSSNClient({self.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the pooled connections of the running event loop; a later request opens new ones."""
        await self._pool.aclose()

    async def _request(
        self, method: str, path: str, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """Send one request; every call goes through here.

        Raises:
            SSSNClientError: The status of the answer is 400 or more; 416 passes in a stream.
        """
        client = await self._pool.client()
        request = build_request(client, method, f"{self.base_url}{path}", options)
        response = await client.send(request, stream=stream)
        if response.status_code >= 400 and not (stream and response.status_code == 416):
            await response.aread()
            await response.aclose()
            raise response_error(response)
        return response

    async def _send(self, call: Call[T]) -> T:
        return answer(call, await self._request(call.method, call.path, **call.options(self.timeout)))

    @asynccontextmanager
    async def _stream(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        response = await self._request(method, path, stream=True, **options)
        try:
            yield response
        finally:
            await response.aclose()

    async def create_channel(self, channel: Channel | Mapping[str, Any]) -> Channel:
        """Create a channel; a mapping is sent as it is."""
        return await self._send(channel_calls.create_channel(channel_body(channel)))

    async def ensure_channel(self, channel: Channel | Mapping[str, Any]) -> Channel:
        """Create a channel, or return the existing one when it is equal."""
        wanted = channel if isinstance(channel, Channel) else Channel.model_validate(channel)
        try:
            return await self.create_channel(wanted)
        except SSSNClientError as error:
            if (
                error.error_type != "ChannelExistsError"
                or (kept := await self.get_channel(wanted.name)) != wanted
            ):
                raise
            return kept

    async def append_event(self, event: Event | Mapping[str, Any]) -> Event:
        """Append one event; a mapping is sent as it is, with its parent ids as a list."""
        return await self._send(event_calls.append_event(event_body(event)))

    async def append_events(self, events: Iterable[Event | Mapping[str, Any]]) -> tuple[Event, ...]:
        """Append events in one durable commit: all of them or none."""
        bodies = [event_body(event) for event in events]
        return await self._send(event_calls.append_events(bodies)) if bodies else ()

    async def create_subscription(
        self,
        channel: str,
        *,
        subscription_id: str | None = None,
        consumer: str | None = None,
        batch_size: int = 100,
        filters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        start: Literal["beginning", "end"] | int | None = None,
        lease_seconds: float | None = None,
        max_deliveries: int | None = None,
        dead_letter: str | None = None,
    ) -> Subscription:
        """Create a subscription, or return the one with that id."""
        body = subscription_body(
            channel,
            subscription_id=subscription_id,
            consumer=consumer,
            batch_size=batch_size,
            filters=filters,
            metadata=metadata,
            additions={
                "start": start,
                "lease_seconds": lease_seconds,
                "max_deliveries": max_deliveries,
                "dead_letter": dead_letter,
            },
        )
        return await self._send(subscription_calls.create_subscription(body))

    async def commit(
        self,
        *,
        acks: Deliveries = (),
        events: Iterable[Event | Mapping[str, Any]] = (),
        snapshots: Iterable[Snapshot | Mapping[str, Any]] = (),
    ) -> CommitResult:
        """Finish deliveries, append events and write snapshots in one durable commit: all or nothing."""
        body = commit_body(tokens_of(acks), events, snapshots)
        return await self._send(subscription_calls.commit(body, repeatable=False))

    async def write_artifact(
        self,
        data: bytes | bytearray | memoryview | str,
        *,
        channel: str | None = None,
        media_type: str = "application/octet-stream",
        metadata: Mapping[str, Any] | None = None,
        event_ids: Iterable[str] = (),
    ) -> Artifact:
        """Write text or bytes; more than 1 MiB of bytes are streamed when the server can take them so."""
        content = artifact_content(data)
        fields = artifact_fields(channel, media_type, metadata, event_ids)
        if isinstance(content, bytes) and len(content) > UPLOAD_BYTES:
            try:
                return await self._send(artifact_calls.upload_artifact(content, fields))
            except SSSNClientError as error:
                if not is_route_missing(error):
                    raise
        return await self._send(artifact_calls.write_artifact(artifact_body(content, fields)))

    async def write_artifact_stream(
        self,
        source: BinaryIO | Iterable[bytes],
        *,
        channel: str | None = None,
        media_type: str = "application/octet-stream",
        metadata: Mapping[str, Any] | None = None,
        event_ids: Iterable[str] = (),
        sha256: str | None = None,
        artifact_id: str | None = None,
    ) -> Artifact:
        """Write a stream of bytes, in constant memory."""
        fields = artifact_fields(channel, media_type, metadata, event_ids)
        return await self._send(
            artifact_calls.upload_artifact(
                async_chunks_of(source), fields, sha256=sha256, artifact_id=artifact_id
            )
        )

    async def read_artifact(self, artifact_id: str) -> bytes:
        """Return the bytes of an artifact, verified when the server sends their hash."""
        response = await self._request("GET", artifact_calls.content_path(artifact_id))
        return verified_content(artifact_id, response)

    async def put_snapshot(
        self,
        name: str,
        value: Any = None,
        *,
        channel: str | None = None,
        timestamp: float | None = None,
        schema: str | None = None,
        source_event_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expected_revision: int | None = None,
    ) -> Snapshot:
        """Write a snapshot from a value and keywords, or from a `Snapshot` whose name is not used."""
        extras = {
            "channel": channel,
            "timestamp": timestamp,
            "schema": schema,
            "source_event_id": source_event_id,
            "metadata": metadata,
            "expected_revision": expected_revision,
        }
        return await self._send(snapshot_calls.put_snapshot(name, snapshot_body(value, extras)))

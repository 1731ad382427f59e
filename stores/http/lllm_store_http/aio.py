"""A store that another process serves, for event loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self, TypeVar

from lllm.errors import (
    ChannelExistsError,
    EventConflictError,
    InvalidPayloadError,
    LeaseLostError,
    SSSNError,
    StoreClosedError,
)
from lllm.store import Artifact, AsyncStore, Channel, CommitResult, Delivery, Event, Snapshot, Subscription
from lllm.store.drafts import draft_event, draft_events
from lllm.store.ids import new_id
from lllm.store.inputs import Deliveries, seconds, tokens_of, whole_number
from lllm.store.names import require_segment
from lllm.store.records import channel_record, snapshot_record, subscription_record
from lllm.store.rows import Draft
from lllm_store_http import artifact_calls, channel_calls, snapshot_calls, subscription_calls
from lllm_store_http.answers import body_of, store_answer
from lllm_store_http.artifact_content import async_chunks_of
from lllm_store_http.artifacts import AsyncArtifacts
from lllm_store_http.bodies import (
    artifact_body,
    artifact_bytes,
    artifact_fields,
    channel_body,
    event_bodies,
    snapshot_body,
    subscription_body,
    untimed,
)
from lllm_store_http.channels import AsyncChannels
from lllm_store_http.connections import AsyncPool, build_request, connection_errors, request_headers
from lllm_store_http.errors import RouteMissingError, store_error
from lllm_store_http.events import AsyncEvents
from lllm_store_http.faults import Faults
from lllm_store_http.requests import Call
from lllm_store_http.snapshots import AsyncSnapshots
from lllm_store_http.store import HTTPStore, append_all, append_one
from lllm_store_http.subscriptions import AsyncSubscriptions
from lllm_store_http.upkeep import AsyncUpkeep

if TYPE_CHECKING:
    import httpx


__all__ = ["AsyncHTTPStore"]

T = TypeVar("T")


class AsyncHTTPStore(
    AsyncChannels,
    AsyncEvents,
    AsyncSubscriptions,
    AsyncArtifacts,
    AsyncSnapshots,
    AsyncUpkeep,
    AsyncStore,
):
    """A store behind HTTP, native to event loops: `HTTPStore` with coroutines.

    Requests that may reach the server twice without harm (reads, appends, acks, commits) are repeated when
    the connection breaks; event ids are fixed before the first try. `pull_subscription` is never repeated.

    Args:
        base_url: Absolute HTTP(S) URL of the server, with the prefix of the store when it has one.
        timeout: Longest wait for an answer, in seconds; None waits for ever.
        transport: An httpx transport to use instead of the network.
        token: Bearer token.
        retries: How often a broken request is repeated.

    Raises:
        StoreURLError: `base_url` is not such a URL.
        InvalidPayloadError: `retries` is not a number of tries.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float | None = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        token: str | None = None,
        retries: int = 2,
    ) -> None:
        self._http = HTTPStore(base_url, timeout=timeout, token=token, retries=retries)
        super().__init__(self._http)
        self.base_url = self._http.base_url
        self.timeout = timeout
        self._faults = Faults(self.base_url, timeout, retries)
        self._pool = AsyncPool(self.base_url, timeout, transport, request_headers(token, None))
        self._uploads = True
        self._additions = False
        self._giving_back: set[asyncio.Task[Any]] = set()

    @classmethod
    def beside(cls, store: HTTPStore, transport: httpx.AsyncBaseTransport | None) -> Self:
        """Return the asynchronous face of a store; closing it closes the store.

        Args:
            store: The store.
            transport: An httpx transport to use instead of the network.
        """
        face = cls(store.base_url, timeout=store.timeout, transport=transport, **store.credentials())
        face._http = face.store = store
        return face

    def __repr__(self) -> str:
        return f"AsyncHTTPStore({self.base_url!r})"

    # Arguments are checked here, with the texts of a local store, before anything is sent.

    def _whole(self, value: Any, field: str, *, least: int = 0) -> int:
        return whole_number(value, field, least=least)

    def _seconds(self, value: Any, field: str) -> float:
        return seconds(value, field)

    async def _request(
        self, method: str, path: str, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """Send one request; every call goes through here."""
        if self._http.closed:
            raise StoreClosedError
        client = await self._pool.client()
        request = build_request(client, method, f"{self.base_url}{path}", options)
        return await client.send(request, stream=stream)

    async def _send(self, call: Call[T]) -> T:
        tries = 0
        while True:
            try:
                response = await self._request(call.method, call.path, **call.options(self.timeout))
                break
            except connection_errors()[2] as error:
                if self._http.closed:
                    raise StoreClosedError from error
                tries += 1
                await asyncio.sleep(self._faults.pause(error, tries, repeatable=call.repeatable))
        if call.waits and self._http.closed:
            raise StoreClosedError
        return store_answer(call, response)

    @asynccontextmanager
    async def _stream(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        try:
            response = await self._request(method, path, stream=True, **options)
            try:
                if response.status_code >= 400 and response.status_code != 416:
                    await response.aread()
                    raise store_error(response.status_code, body_of(response), request=f"{method} {path}")
                yield response
            finally:
                await response.aclose()
        except connection_errors()[2] as error:
            raise self._faults.final(error) from error

    async def _before_kind(self, channel: str) -> None:
        await self.get_channel(channel)

    async def create_channel(self, channel: Channel | Mapping[str, Any]) -> Channel:
        """Create a channel."""
        return await self._send(channel_calls.create_channel(channel_body(channel_record(channel))))

    async def append_event(self, event: Event | Mapping[str, Any]) -> Event:
        """Append one event, durably; a repeat with the same id and content returns the stored one."""
        return await self._append([draft_event(event)], append_one)

    async def append_events(self, events: Iterable[Event | Mapping[str, Any]]) -> tuple[Event, ...]:
        """Append events in one durable commit: all of them or none."""
        drafts = draft_events(events)
        if not drafts and not self._http.closed:
            return ()
        return await self._append(drafts, append_all)

    async def _append(self, drafts: list[Draft], call: Callable[[list[dict[str, Any]]], Call[T]]) -> T:
        try:
            return await self._send(call(event_bodies(drafts)))
        except (EventConflictError, LeaseLostError):
            # A repeat made the timestamps anew; what nobody named must not count as a difference.
            if not untimed(drafts):
                raise
        return await self._send(call(event_bodies(drafts, timed_only=True)))

    async def create_subscription(
        self,
        channel: str,
        *,
        subscription_id: str | None = None,
        consumer: str | None = None,
        batch_size: int = 100,
        filters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        start: Literal["beginning", "end"] | int = "beginning",
        lease_seconds: float | None = None,
        max_deliveries: int | None = None,
        dead_letter: str | None = None,
    ) -> Subscription:
        """Create a subscription, or return the one with that id."""
        try:
            record = subscription_record(
                channel,
                subscription_id=subscription_id,
                consumer=consumer,
                batch_size=whole_number(batch_size, "batch_size", least=1),
                filters=filters,
                metadata=metadata,
                lease_seconds=lease_seconds,
                max_deliveries=max_deliveries,
                dead_letter=dead_letter,
            )
        except InvalidPayloadError as error:
            if not str(error).startswith("batch_size"):
                # A missing channel is reported first, as a local store does.
                await self.get_channel(channel)
            raise
        body = subscription_body(record, start)
        return await self._send(subscription_calls.create_subscription(body, repeatable=True))

    async def commit(
        self,
        *,
        acks: Deliveries = (),
        events: Iterable[Event | Mapping[str, Any]] = (),
        snapshots: Iterable[Snapshot | Mapping[str, Any]] = (),
    ) -> CommitResult:
        """Finish deliveries, append events and write snapshots in one durable commit: all or nothing."""
        tokens = list(tokens_of(acks))
        drafts = draft_events(events)
        values = [snapshot_record(snapshot).model_dump(by_alias=True) for snapshot in snapshots]
        repeatable = bool(tokens or drafts)

        def call(bodies: list[dict[str, Any]]) -> Call[CommitResult]:
            body = {"acks": tokens, "events": bodies, "snapshots": values}
            return subscription_calls.commit(body, repeatable=repeatable)

        return await self._append(drafts, call)

    async def write_artifact(
        self,
        data: bytes | bytearray | memoryview,
        *,
        channel: str | None = None,
        media_type: str = "application/octet-stream",
        metadata: Mapping[str, Any] | None = None,
        event_ids: Iterable[str] = (),
    ) -> Artifact:
        """Store bytes durably under a new id; equal bytes are stored once."""
        content = artifact_bytes(data)
        fields = artifact_fields(channel, media_type, metadata, event_ids)
        if self._uploads:
            try:
                upload = artifact_calls.upload_artifact(
                    content, fields, artifact_id=new_id(), repeatable=True
                )
                return await self._send(upload)
            except RouteMissingError:
                self._uploads = False
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
        """Store a stream of bytes durably, in constant memory."""
        fields = artifact_fields(channel, media_type, metadata, event_ids)
        if artifact_id is not None:
            require_segment(artifact_id, "artifact.id", new=True)
        return await self._send(
            artifact_calls.upload_artifact(
                async_chunks_of(source), fields, sha256=sha256, artifact_id=artifact_id
            )
        )

    async def put_snapshot(
        self, snapshot: Snapshot | Mapping[str, Any], *, expected_revision: int | None = None
    ) -> Snapshot:
        """Write a snapshot, replacing every field of the one with its name."""
        record = snapshot_record(snapshot)
        if expected_revision is not None:
            whole_number(expected_revision, "expected_revision")
            await self._require_additions()
        return await self._send(
            snapshot_calls.put_snapshot(record.name, snapshot_body(record, expected_revision))
        )

    async def _require_additions(self) -> None:
        """Refuse to go on with a server that would ignore what it does not know."""
        if not self._additions:
            await self.capabilities()
            self._additions = True

    async def ensure_channel(self, channel: Channel | Mapping[str, Any]) -> Channel:
        """Create a channel, or return the existing one when it is equal."""
        wanted = channel_record(channel)
        try:
            return await self.create_channel(wanted)
        except ChannelExistsError:
            existing = await self.get_channel(wanted.name)
            if existing != wanted:
                raise
            return existing

    async def read_artifact(self, artifact_id: str) -> bytes:
        """Return the bytes of an artifact, verified."""
        return b"".join([chunk async for chunk in self.iter_artifact(artifact_id)])

    async def lease(
        self,
        subscription_id: str,
        *,
        limit: int | None = None,
        lease_seconds: float | None = None,
        consumer: str | None = None,
        wait: float = 0.0,
    ) -> tuple[Delivery, ...]:
        """Hand out events that nobody else holds; what a cancelled call still gets is given back."""
        call = asyncio.ensure_future(
            super().lease(
                subscription_id, limit=limit, lease_seconds=lease_seconds, consumer=consumer, wait=wait
            )
        )
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            call.add_done_callback(self._return_leases)
            raise

    def _return_leases(self, call: asyncio.Future[tuple[Delivery, ...]]) -> None:
        if call.cancelled() or call.exception() is not None or not call.result():
            return
        giving = asyncio.ensure_future(self._released(call.result()))
        self._giving_back.add(giving)
        giving.add_done_callback(self._giving_back.discard)

    async def _released(self, deliveries: tuple[Delivery, ...]) -> None:
        # Nobody waits for this any more; what fails here comes back when its lease runs out.
        with suppress(SSSNError):
            await self.release(deliveries)

    async def close(self) -> None:
        """Close the connections of this event loop; every later call but this one raises StoreClosedError."""
        self._http.close()
        await self._pool.aclose()

    aclose = close

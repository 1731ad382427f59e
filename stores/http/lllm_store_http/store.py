"""A store that another process serves, with the methods and the errors of a local one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar

from lllm.errors import (
    EventConflictError,
    InvalidPayloadError,
    LeaseLostError,
    StoreClosedError,
    StoreURLError,
)
from lllm.store import Artifact, AsyncStore, Channel, CommitResult, Event, Snapshot, Store, Subscription
from lllm.store.drafts import draft_event, draft_events
from lllm.store.ids import new_id
from lllm.store.inputs import Deliveries, seconds, tokens_of, whole_number
from lllm.store.names import require_segment
from lllm.store.records import channel_record, snapshot_record, subscription_record
from lllm.store.rows import Draft
from lllm_store_http import artifact_calls, channel_calls, event_calls, snapshot_calls, subscription_calls
from lllm_store_http.answers import body_of, store_answer
from lllm_store_http.artifact_content import chunks_of
from lllm_store_http.artifacts import Artifacts
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
from lllm_store_http.channels import Channels
from lllm_store_http.connections import (
    Pool,
    build_request,
    check_base_url,
    connection_errors,
    request_headers,
)
from lllm_store_http.errors import RouteMissingError, store_error
from lllm_store_http.events import Events
from lllm_store_http.faults import Faults
from lllm_store_http.requests import Call
from lllm_store_http.snapshots import Snapshots
from lllm_store_http.subscriptions import Subscriptions
from lllm_store_http.upkeep import Upkeep

if TYPE_CHECKING:
    import httpx

__all__ = ["HTTPStore"]

T = TypeVar("T")


class HTTPStore(Channels, Events, Subscriptions, Artifacts, Snapshots, Upkeep, Store):
    """A store behind HTTP.

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
        transport: httpx.BaseTransport | None = None,
        token: str | None = None,
        retries: int = 2,
    ) -> None:
        try:
            self.base_url = check_base_url(base_url)
        except ValueError as error:
            raise StoreURLError(str(error)) from error
        self.timeout = timeout
        self._token = token
        self._transport = transport
        self._faults = Faults(self.base_url, timeout, whole_number(retries, "retries"))
        self._pool = Pool(self.base_url, timeout, transport, request_headers(token, None))
        self._closed = False
        self._uploads = True
        self._additions = False
        self._aio: AsyncStore | None = None

    def __repr__(self) -> str:
        return f"HTTPStore({self.base_url!r})"

    # Arguments are checked here, with the texts of a local store, before anything is sent.

    def _whole(self, value: Any, field: str, *, least: int = 0) -> int:
        return whole_number(value, field, least=least)

    def _seconds(self, value: Any, field: str) -> float:
        return seconds(value, field)

    def _request(self, method: str, path: str, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send one request; every call goes through here."""
        if self._closed:
            raise StoreClosedError
        client = self._pool.client()
        request = build_request(client, method, f"{self.base_url}{path}", options)
        return client.send(request, stream=stream)

    def _send(self, call: Call[T]) -> T:
        tries = 0
        while True:
            try:
                response = self._request(call.method, call.path, **call.options(self.timeout))
                break
            except connection_errors()[2] as error:
                if self._closed:
                    raise StoreClosedError from error
                tries += 1
                time.sleep(self._faults.pause(error, tries, repeatable=call.repeatable))
        if call.waits and self._closed:
            raise StoreClosedError
        return store_answer(call, response)

    @contextmanager
    def _stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        try:
            response = self._request(method, path, stream=True, **options)
            try:
                if response.status_code >= 400 and response.status_code != 416:
                    response.read()
                    raise store_error(response.status_code, body_of(response), request=f"{method} {path}")
                yield response
            finally:
                response.close()
        except connection_errors()[2] as error:
            raise self._faults.final(error) from error

    def _before_kind(self, channel: str) -> None:
        self.get_channel(channel)

    def create_channel(self, channel: Channel | Mapping[str, Any]) -> Channel:
        """Create a channel."""
        return self._send(channel_calls.create_channel(channel_body(channel_record(channel))))

    def append_event(self, event: Event | Mapping[str, Any]) -> Event:
        """Append one event, durably; a repeat with the same id and content returns the stored one."""
        return self._append([draft_event(event)], append_one)

    def append_events(self, events: Iterable[Event | Mapping[str, Any]]) -> tuple[Event, ...]:
        """Append events in one durable commit: all of them or none."""
        drafts = draft_events(events)
        if not drafts and not self._closed:
            return ()
        return self._append(drafts, append_all)

    def _append(self, drafts: list[Draft], call: Callable[[list[dict[str, Any]]], Call[T]]) -> T:
        try:
            return self._send(call(event_bodies(drafts)))
        except (EventConflictError, LeaseLostError):
            # A repeat made the timestamps anew; what nobody named must not count as a difference.
            if not untimed(drafts):
                raise
        return self._send(call(event_bodies(drafts, timed_only=True)))

    def create_subscription(
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
                self.get_channel(channel)
            raise
        body = subscription_body(record, start)
        return self._send(subscription_calls.create_subscription(body, repeatable=True))

    def commit(
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

        return self._append(drafts, call)

    def write_artifact(
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
                return self._send(upload)
            except RouteMissingError:
                self._uploads = False
        return self._send(artifact_calls.write_artifact(artifact_body(content, fields)))

    def write_artifact_stream(
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
        return self._send(
            artifact_calls.upload_artifact(chunks_of(source), fields, sha256=sha256, artifact_id=artifact_id)
        )

    def put_snapshot(
        self, snapshot: Snapshot | Mapping[str, Any], *, expected_revision: int | None = None
    ) -> Snapshot:
        """Write a snapshot, replacing every field of the one with its name."""
        record = snapshot_record(snapshot)
        if expected_revision is not None:
            whole_number(expected_revision, "expected_revision")
            self._require_additions()
        return self._send(snapshot_calls.put_snapshot(record.name, snapshot_body(record, expected_revision)))

    def _require_additions(self) -> None:
        """Refuse to go on with a server that would ignore what it does not know."""
        if not self._additions:
            self.capabilities()
            self._additions = True

    def close(self) -> None:
        """Close the connections; every later call but this one raises StoreClosedError."""
        self._closed = True
        self._pool.close()

    @property
    def aio(self) -> AsyncStore:
        """The same server for event loops, native and with connections of its own."""
        if self._aio is None:
            self._aio = self._face()
        return self._aio

    def _face(self) -> AsyncStore:
        import httpx

        from lllm_store_http.aio import AsyncHTTPStore

        transport = self._transport
        if transport is None or isinstance(transport, httpx.AsyncBaseTransport):
            return AsyncHTTPStore.beside(self, transport)
        return AsyncStore(self)

    @property
    def closed(self) -> bool:
        """Whether the store was closed."""
        return self._closed

    def credentials(self) -> dict[str, Any]:
        """Return the options of another store for the same server: `token` and `retries`."""
        return {"token": self._token, "retries": self._faults.retries}


def append_one(bodies: list[dict[str, Any]]) -> Call[Event]:
    return event_calls.append_event(bodies[0], repeatable=True)


def append_all(bodies: list[dict[str, Any]]) -> Call[tuple[Event, ...]]:
    return event_calls.append_events(bodies, repeatable=True)

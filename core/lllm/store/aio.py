"""The asynchronous face of a store: the same methods as coroutines, run in worker threads."""

from __future__ import annotations

import contextvars
import os
from asyncio import CancelledError, wrap_future
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from itertools import islice
from time import monotonic
from types import TracebackType
from typing import Any, BinaryIO, Concatenate, ParamSpec, Self, TypeVar

from lllm.errors import SSSNError
from lllm.store.inputs import seconds, whole_number
from lllm.store.models import Event
from lllm.store.protocol import Store
from lllm.store.protocol.artifacts import CHUNK_SIZE
from lllm.store.reports import Delivery

__all__ = ["AsyncStore"]

P = ParamSpec("P")
T = TypeVar("T")

_SLICE = 0.25
_THREADS = 32
_ROUND = 30.0


def _threaded(
    method: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[AsyncStore, P], Coroutine[Any, Any, T]]:
    """Make a coroutine of a method of `Store`: same arguments, same result, in a worker thread."""
    name = method.__name__

    async def call(self: AsyncStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await wrap_future(self._submit(getattr(self.store, name), *args, **kwargs))
        return result

    call.__name__ = name
    call.__qualname__ = f"AsyncStore.{name}"
    call.__doc__ = f"Do what `Store.{name}` does, without blocking the event loop."
    return call


class AsyncStore:
    """A store whose methods are coroutines.

    Every call runs in a worker thread, so the event loop is never blocked. Cancelling a waiting call takes
    no lease: what a lease finds after that is given back.

    Args:
        store: The store; closing this face closes it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._process = 0
        self._threads: ThreadPoolExecutor | None = None

    create_channel = _threaded(Store.create_channel)
    ensure_channel = _threaded(Store.ensure_channel)
    list_channels = _threaded(Store.list_channels)
    get_channel = _threaded(Store.get_channel)
    head = _threaded(Store.head)
    first_cursor = _threaded(Store.first_cursor)
    update_channel = _threaded(Store.update_channel)
    delete_channel = _threaded(Store.delete_channel)

    append_event = _threaded(Store.append_event)
    append_events = _threaded(Store.append_events)
    query_events = _threaded(Store.query_events)
    get_event = _threaded(Store.get_event)
    get_events = _threaded(Store.get_events)

    create_subscription = _threaded(Store.create_subscription)
    get_subscription = _threaded(Store.get_subscription)
    list_subscriptions = _threaded(Store.list_subscriptions)
    update_subscription = _threaded(Store.update_subscription)
    delete_subscription = _threaded(Store.delete_subscription)
    pull_subscription = _threaded(Store.pull_subscription)
    seek = _threaded(Store.seek)
    lag = _threaded(Store.lag)

    ack = _threaded(Store.ack)
    nack = _threaded(Store.nack)
    release = _threaded(Store.release)
    reject = _threaded(Store.reject)
    extend = _threaded(Store.extend)
    commit = _threaded(Store.commit)

    parents = _threaded(Store.parents)
    children = _threaded(Store.children)
    ancestors = _threaded(Store.ancestors)
    descendants = _threaded(Store.descendants)
    trace = _threaded(Store.trace)
    artifacts_for = _threaded(Store.artifacts_for)

    write_artifact = _threaded(Store.write_artifact)
    write_artifact_stream = _threaded(Store.write_artifact_stream)
    get_artifact = _threaded(Store.get_artifact)
    read_artifact = _threaded(Store.read_artifact)
    list_artifacts = _threaded(Store.list_artifacts)
    delete_artifact = _threaded(Store.delete_artifact)
    collect_garbage = _threaded(Store.collect_garbage)

    put_snapshot = _threaded(Store.put_snapshot)
    get_snapshot = _threaded(Store.get_snapshot)
    snapshot_history = _threaded(Store.snapshot_history)
    list_snapshots = _threaded(Store.list_snapshots)
    delete_snapshot = _threaded(Store.delete_snapshot)

    set_retention = _threaded(Store.set_retention)
    get_retention = _threaded(Store.get_retention)
    apply_retention = _threaded(Store.apply_retention)

    check = _threaded(Store.check)
    backup = _threaded(Store.backup)
    export = _threaded(Store.export)
    import_ = _threaded(Store.import_)
    stats = _threaded(Store.stats)
    capabilities = _threaded(Store.capabilities)

    async def lease(
        self,
        subscription_id: str,
        *,
        limit: int | None = None,
        lease_seconds: float | None = None,
        consumer: str | None = None,
        wait: float = 0.0,
    ) -> tuple[Delivery, ...]:
        """Do what `Store.lease` does; a cancelled call takes no lease.

        Args:
            subscription_id: Id of the subscription.
            limit: How many events at most; the batch size when None.
            lease_seconds: How long the leases last; the subscription's own time when None.
            consumer: Who takes them, for logs.
            wait: How long to wait for an event when there is none, in seconds.
        """
        deadline = monotonic() + seconds(wait, "wait")
        while True:
            left = max(0.0, deadline - monotonic())
            call = self._submit(
                self.store.lease,
                subscription_id,
                limit=limit,
                lease_seconds=lease_seconds,
                consumer=consumer,
                wait=min(left, _SLICE),
            )
            try:
                deliveries = await wrap_future(call)
            except CancelledError:
                call.add_done_callback(self._give_back)
                raise
            if deliveries or not left:
                return deliveries

    async def wait_events(
        self,
        channel: str,
        *,
        after_cursor: int,
        kind: str | None = None,
        limit: int = 100,
        timeout: float = 30.0,
    ) -> tuple[Event, ...]:
        """Do what `Store.wait_events` does, without blocking the event loop.

        Args:
            channel: Name of the channel.
            after_cursor: Only events above this cursor.
            kind: Only events of this kind.
            limit: How many events at most.
            timeout: How long to wait, in seconds.
        """
        deadline = monotonic() + seconds(timeout, "timeout")
        while True:
            left = max(0.0, deadline - monotonic())
            call = self._submit(
                self.store.wait_events,
                channel,
                after_cursor=after_cursor,
                kind=kind,
                limit=limit,
                timeout=min(left, _SLICE),
            )
            events = await wrap_future(call)
            if events or not left:
                return events

    async def tail(
        self,
        channel: str,
        *,
        after_cursor: int | None = None,
        kind: str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Event]:
        """Do what `Store.tail` does, as an asynchronous iterator.

        Args:
            channel: Name of the channel.
            after_cursor: Begin above this cursor; None begins with what is appended from now on.
            kind: Only events of this kind.
            timeout: End after this many seconds without an event; None never ends.
        """
        patience = _ROUND if timeout is None else seconds(timeout, "timeout")
        after = await self.head(channel) if after_cursor is None else after_cursor
        while True:
            events = await self.wait_events(channel, after_cursor=after, kind=kind, timeout=patience)
            for event in events:
                yield event
            if events:
                after = events[-1].cursor or after
            elif timeout is not None:
                return

    async def iter_events(
        self,
        channel: str,
        *,
        after_cursor: int = 0,
        kind: str | None = None,
        source: str | None = None,
        correlation_id: str | None = None,
        reverse: bool = False,
        before_cursor: int | None = None,
        page_size: int = 1000,
    ) -> AsyncIterator[Event]:
        """Do what `Store.iter_events` does, as an asynchronous iterator.

        Args:
            channel: Name of the channel.
            after_cursor: Only events above this cursor.
            kind: Only events of this kind.
            source: Only events of this source.
            correlation_id: Only events with this correlation id.
            reverse: Newest first.
            before_cursor: Only events below this cursor.
            page_size: How many events are held at once.
        """
        whole_number(page_size, "page_size", least=1)
        events = self.store.iter_events(
            channel,
            after_cursor=after_cursor,
            kind=kind,
            source=source,
            correlation_id=correlation_id,
            reverse=reverse,
            before_cursor=before_cursor,
            page_size=page_size,
        )
        async for event in self._iterated(events, page_size):
            yield event

    async def iter_artifact(
        self, artifact_id: str, *, start: int = 0, stop: int | None = None, chunk_size: int = CHUNK_SIZE
    ) -> AsyncIterator[bytes]:
        """Do what `Store.iter_artifact` does, as an asynchronous iterator.

        Args:
            artifact_id: Id of the artifact.
            start: Offset of the first byte.
            stop: Offset behind the last byte; the end when None.
            chunk_size: Length of a chunk in bytes.
        """
        opened = self._submit(
            self.store.iter_artifact, artifact_id, start=start, stop=stop, chunk_size=chunk_size
        )
        async for chunk in self._iterated(await wrap_future(opened), 1):
            yield chunk

    @asynccontextmanager
    async def open_artifact(self, artifact_id: str, *, verify: bool = True) -> AsyncIterator[BinaryIO]:
        """Do what `Store.open_artifact` does; the reader itself is synchronous.

        Args:
            artifact_id: Id of the artifact.
            verify: Check size and hash before the first byte is handed out.
        """
        manager = self.store.open_artifact(artifact_id, verify=verify)
        file = await wrap_future(self._submit(manager.__enter__))
        try:
            yield file
        finally:
            manager.__exit__(None, None, None)

    async def close(self) -> None:
        """Close the store; every later call but this one raises StoreClosedError."""
        await wrap_future(self._submit(self.store.close))
        self.end_threads()

    def end_threads(self) -> None:
        """Let the worker threads go once they are idle; the next call starts new ones."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self._threads is None or self._process != os.getpid():
            # The threads of a parent process do not exist in its forked child.
            self._process = os.getpid()
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="lllm-store")
        context = contextvars.copy_context()
        return self._threads.submit(lambda: context.run(call, *args, **kwargs))

    async def _iterated(self, items: Iterator[T], size: int) -> AsyncIterator[T]:
        try:
            while batch := await wrap_future(self._submit(_batch, items, size)):
                for item in batch:
                    yield item
        finally:
            closing = getattr(items, "close", None)
            if closing is not None:
                closing()

    def _give_back(self, call: Future[tuple[Delivery, ...]]) -> None:
        """Release what a cancelled lease took before it noticed."""
        if not call.cancelled() and call.exception() is None and call.result():
            with suppress(SSSNError):
                self.store.release(call.result())


def _batch(items: Iterator[T], size: int) -> list[T]:
    return list(islice(items, size))

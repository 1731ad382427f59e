"""Reading events and their lineage from a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from lllm.store import Artifact, Event
from lllm.store.names import is_name
from lllm_store_http import channel_calls, event_calls
from lllm_store_http.requests import Call
from lllm_store_http.rounds import ROUND_SECONDS, wait_rounds
from lllm_store_http.sending import AsyncSender, Sender

__all__ = ["AsyncEvents", "Events"]


def _query(
    channel: str, after_cursor: int, limit: int, kind: str | None, further: dict[str, Any]
) -> Call[tuple[Event, ...]]:
    """Use the route of every server unless a further criterion needs the added one."""
    criteria = {key: value for key, value in further.items() if value is not None}
    if not criteria:
        return event_calls.query_events(channel, after_cursor=after_cursor, limit=limit, kind=kind)
    return event_calls.search_events(channel, after_cursor=after_cursor, limit=limit, kind=kind, **criteria)


class Events(Sender):
    """Events and lineage; `lllm.Store` has the rules of each method."""

    def query_events(
        self,
        channel: str,
        *,
        after_cursor: int = 0,
        limit: int = 100,
        kind: str | None = None,
        source: str | None = None,
        correlation_id: str | None = None,
        reverse: bool = False,
        before_cursor: int | None = None,
    ) -> tuple[Event, ...]:
        """Return events of one channel, by cursor."""
        further = {
            "source": source,
            "correlation_id": correlation_id,
            "reverse": reverse or None,
            "before_cursor": None if before_cursor is None else self._whole(before_cursor, "before_cursor"),
        }
        after, most = self._whole(after_cursor, "after_cursor"), self._whole(limit, "limit", least=1)
        if kind is not None and not is_name(kind):
            self._before_kind(channel)
        return self._send(_query(channel, after, most, kind, further))

    def _before_kind(self, channel: str) -> None:
        """Look for what a store checks before the kind, which is known to be malformed."""

    def get_event(self, event_id: str) -> Event:
        """Return one event by its id, whatever its channel."""
        return self._send(event_calls.get_event(event_id))

    def wait_events(
        self,
        channel: str,
        *,
        after_cursor: int,
        kind: str | None = None,
        limit: int = 100,
        timeout: float = 30.0,
    ) -> tuple[Event, ...]:
        """Return events above a cursor, and wait for one when there is none."""
        after = self._whole(after_cursor, "after_cursor")
        most = self._whole(limit, "limit", least=1)
        events: tuple[Event, ...] = ()
        for wait in wait_rounds(self._seconds(timeout, "timeout")):
            events = self._send(
                event_calls.search_events(channel, wait=wait, after_cursor=after, limit=most, kind=kind)
            )
            if events:
                break
        return events

    def parents(self, event_id: str) -> tuple[Event, ...]:
        """Return the parents of an event in the order of its `parent_ids`."""
        return self._send(event_calls.list_relatives(event_id, "parents"))

    def children(self, event_id: str, *, limit: int = 100, after: int | str = 0) -> tuple[Event, ...]:
        """Return events that name an event as their parent, in the order of appending."""
        most = self._whole(limit, "limit", least=1)
        return self._send(event_calls.list_relatives(event_id, "children", limit=most, after=after or None))

    def ancestors(self, event_id: str, *, depth: int | None = None, limit: int = 1000) -> tuple[Event, ...]:
        """Return everything that an event came from, each event once, breadth first."""
        return self._send(event_calls.list_relatives(event_id, "ancestors", **self._bounds(depth, limit)))

    def descendants(self, event_id: str, *, depth: int | None = None, limit: int = 1000) -> tuple[Event, ...]:
        """Return everything that came of an event, each event once, breadth first."""
        return self._send(event_calls.list_relatives(event_id, "descendants", **self._bounds(depth, limit)))

    def _bounds(self, depth: int | None, limit: int) -> dict[str, Any]:
        checked = None if depth is None else self._whole(depth, "depth")
        return {"depth": checked, "limit": self._whole(limit, "limit", least=1)}

    def trace(self, correlation_id: str, *, limit: int = 1000, after: int | str = 0) -> tuple[Event, ...]:
        """Return every event with a correlation id, and the event whose id it is."""
        most = self._whole(limit, "limit", least=1)
        return self._send(event_calls.trace(correlation_id, limit=most, after=after))

    def artifacts_for(self, event_id: str) -> tuple[Artifact, ...]:
        """Return the artifacts that name an event, in the order of writing."""
        return self._send(event_calls.artifacts_for(event_id))


class AsyncEvents(AsyncSender):
    """Events and lineage, as coroutines."""

    async def query_events(
        self,
        channel: str,
        *,
        after_cursor: int = 0,
        limit: int = 100,
        kind: str | None = None,
        source: str | None = None,
        correlation_id: str | None = None,
        reverse: bool = False,
        before_cursor: int | None = None,
    ) -> tuple[Event, ...]:
        """Return events of one channel, by cursor."""
        further = {
            "source": source,
            "correlation_id": correlation_id,
            "reverse": reverse or None,
            "before_cursor": None if before_cursor is None else self._whole(before_cursor, "before_cursor"),
        }
        after, most = self._whole(after_cursor, "after_cursor"), self._whole(limit, "limit", least=1)
        if kind is not None and not is_name(kind):
            await self._before_kind(channel)
        return await self._send(_query(channel, after, most, kind, further))

    async def _before_kind(self, channel: str) -> None:
        """Look for what a store checks before the kind, which is known to be malformed."""

    async def get_event(self, event_id: str) -> Event:
        """Return one event by its id, whatever its channel."""
        return await self._send(event_calls.get_event(event_id))

    async def wait_events(
        self,
        channel: str,
        *,
        after_cursor: int,
        kind: str | None = None,
        limit: int = 100,
        timeout: float = 30.0,
    ) -> tuple[Event, ...]:
        """Return events above a cursor, and wait for one when there is none."""
        after = self._whole(after_cursor, "after_cursor")
        most = self._whole(limit, "limit", least=1)
        events: tuple[Event, ...] = ()
        for wait in wait_rounds(self._seconds(timeout, "timeout")):
            events = await self._send(
                event_calls.search_events(channel, wait=wait, after_cursor=after, limit=most, kind=kind)
            )
            if events:
                break
        return events

    async def parents(self, event_id: str) -> tuple[Event, ...]:
        """Return the parents of an event in the order of its `parent_ids`."""
        return await self._send(event_calls.list_relatives(event_id, "parents"))

    async def children(self, event_id: str, *, limit: int = 100, after: int | str = 0) -> tuple[Event, ...]:
        """Return events that name an event as their parent, in the order of appending."""
        most = self._whole(limit, "limit", least=1)
        return await self._send(
            event_calls.list_relatives(event_id, "children", limit=most, after=after or None)
        )

    async def ancestors(
        self, event_id: str, *, depth: int | None = None, limit: int = 1000
    ) -> tuple[Event, ...]:
        """Return everything that an event came from, each event once, breadth first."""
        return await self._send(
            event_calls.list_relatives(event_id, "ancestors", **self._bounds(depth, limit))
        )

    async def descendants(
        self, event_id: str, *, depth: int | None = None, limit: int = 1000
    ) -> tuple[Event, ...]:
        """Return everything that came of an event, each event once, breadth first."""
        return await self._send(
            event_calls.list_relatives(event_id, "descendants", **self._bounds(depth, limit))
        )

    def _bounds(self, depth: int | None, limit: int) -> dict[str, Any]:
        checked = None if depth is None else self._whole(depth, "depth")
        return {"depth": checked, "limit": self._whole(limit, "limit", least=1)}

    async def trace(
        self, correlation_id: str, *, limit: int = 1000, after: int | str = 0
    ) -> tuple[Event, ...]:
        """Return every event with a correlation id, and the event whose id it is."""
        most = self._whole(limit, "limit", least=1)
        return await self._send(event_calls.trace(correlation_id, limit=most, after=after))

    async def artifacts_for(self, event_id: str) -> tuple[Artifact, ...]:
        """Return the artifacts that name an event, in the order of writing."""
        return await self._send(event_calls.artifacts_for(event_id))

    async def get_events(self, ids: Iterable[str]) -> tuple[Event, ...]:
        """Return events by their ids, in the order asked."""
        return tuple([await self.get_event(event_id) for event_id in ids])

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
        """Iterate over events of one channel, a page at a time, in constant memory."""
        after, before = after_cursor, before_cursor
        while True:
            page = await self.query_events(
                channel,
                after_cursor=after,
                before_cursor=before,
                limit=page_size,
                kind=kind,
                source=source,
                correlation_id=correlation_id,
                reverse=reverse,
            )
            for event in page:
                yield event
            if len(page) < page_size:
                return
            after, before = (after, page[-1].cursor) if reverse else (page[-1].cursor or 0, before)

    async def tail(
        self,
        channel: str,
        *,
        after_cursor: int | None = None,
        kind: str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Event]:
        """Iterate over events as they arrive; end after `timeout` seconds without one."""
        patience = None if timeout is None else self._seconds(timeout, "timeout")
        after = after_cursor
        if after is None:
            after = (await self._send(channel_calls.get_head(channel)))["head"]
        while True:
            events = await self.wait_events(
                channel,
                after_cursor=after,
                kind=kind,
                timeout=ROUND_SECONDS if patience is None else patience,
            )
            for event in events:
                yield event
            if events:
                after = events[-1].cursor or after
            elif patience is not None:
                return

"""Events: append, read, wait, tail."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import Any

from lllm.store.inputs import seconds, whole_number
from lllm.store.models import Event

__all__ = ["EventOperations"]

_ROUND = 30.0


class EventOperations(ABC):
    """The part of the `Store` protocol that concerns events."""

    @abstractmethod
    def append_event(self, event: Event | Mapping[str, Any]) -> Event:
        """Append one event, durably.

        An event whose id is stored already, with the same content, is returned as stored and nothing is
        written, so that a retry is safe. Content is channel, source, kind, payload, schema, metadata,
        correlation id and parent ids; the timestamp counts when the caller named it.

        Args:
            event: The event, or its fields; its cursor is ignored.

        Returns:
            The event as stored, with its cursor.

        Raises:
            InvalidPayloadError: A field is malformed, or a value has no JSON form.
            ChannelNotFoundError: There is no such channel.
            EventNotFoundError: A parent is not in the store.
            EventConflictError: The id is stored with other content.
        """

    @abstractmethod
    def append_events(self, events: Iterable[Event | Mapping[str, Any]]) -> tuple[Event, ...]:
        """Append events in one durable commit: all of them or none.

        Channels may be mixed, and an event may name an earlier one of the batch as its parent.

        Args:
            events: Events or their fields.

        Returns:
            The events as stored, in the order given.

        Raises:
            SSSNError: As for `append_event`; the text begins with `events[i]: `.
        """

    @abstractmethod
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
        """Return events of one channel, by cursor.

        Args:
            channel: Name of the channel.
            after_cursor: Only events above this cursor.
            limit: How many events at most.
            kind: Only events of this kind.
            source: Only events of this source.
            correlation_id: Only events with this correlation id.
            reverse: Newest first.
            before_cursor: Only events below this cursor.

        Raises:
            InvalidPayloadError: An argument is malformed.
            ChannelNotFoundError: There is no such channel.
        """

    def iter_events(
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
    ) -> Iterator[Event]:
        """Iterate over events of one channel, a page at a time, in constant memory.

        Args:
            channel: Name of the channel.
            after_cursor: Only events above this cursor.
            kind: Only events of this kind.
            source: Only events of this source.
            correlation_id: Only events with this correlation id.
            reverse: Newest first.
            before_cursor: Only events below this cursor.
            page_size: How many events are held at once.

        Yields:
            Events as `query_events` returns them. What is appended during the iteration is included,
            unless it runs in reverse.

        Raises:
            InvalidPayloadError: An argument is malformed.
            ChannelNotFoundError: There is no such channel.
        """
        whole_number(page_size, "page_size", least=1)
        after, before = after_cursor, before_cursor
        while True:
            page = self.query_events(
                channel,
                after_cursor=after,
                before_cursor=before,
                limit=page_size,
                kind=kind,
                source=source,
                correlation_id=correlation_id,
                reverse=reverse,
            )
            yield from page
            if len(page) < page_size:
                return
            last = page[-1].cursor
            if reverse:
                before = last
            else:
                after = last or 0

    @abstractmethod
    def get_event(self, event_id: str) -> Event:
        """Return one event by its id, whatever its channel.

        Args:
            event_id: Its id.

        Raises:
            InvalidPayloadError: The id is no path segment.
            EventNotFoundError: There is no such event.
        """

    def get_events(self, ids: Iterable[str]) -> tuple[Event, ...]:
        """Return events by their ids, in the order asked.

        Args:
            ids: Their ids.

        Raises:
            InvalidPayloadError: An id is no path segment.
            EventNotFoundError: One of them does not exist.
        """
        return tuple(self.get_event(event_id) for event_id in ids)

    @abstractmethod
    def wait_events(
        self,
        channel: str,
        *,
        after_cursor: int,
        kind: str | None = None,
        limit: int = 100,
        timeout: float = 30.0,
    ) -> tuple[Event, ...]:
        """Return events above a cursor, and wait for one when there is none.

        Args:
            channel: Name of the channel.
            after_cursor: Only events above this cursor.
            kind: Only events of this kind.
            limit: How many events at most.
            timeout: How long to wait, in seconds.

        Returns:
            The events, or an empty tuple when none arrived in time.

        Raises:
            InvalidPayloadError: An argument is malformed.
            ChannelNotFoundError: There is no such channel.
        """

    def tail(
        self,
        channel: str,
        *,
        after_cursor: int | None = None,
        kind: str | None = None,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """Iterate over events as they arrive.

        Args:
            channel: Name of the channel.
            after_cursor: Begin above this cursor; None begins with what is appended from now on.
            kind: Only events of this kind.
            timeout: End after this many seconds without an event; None never ends.

        Yields:
            Events by cursor.

        Raises:
            InvalidPayloadError: An argument is malformed.
            ChannelNotFoundError: There is no such channel.
        """
        patience = None if timeout is None else seconds(timeout, "timeout")
        after = self.head(channel) if after_cursor is None else after_cursor
        deadline = None if patience is None else monotonic() + patience
        while True:
            left = _ROUND if deadline is None else min(_ROUND, max(0.0, deadline - monotonic()))
            events = self.wait_events(channel, after_cursor=after, kind=kind, timeout=left)
            yield from events
            if events:
                after = events[-1].cursor or after
                deadline = None if patience is None else monotonic() + patience
            elif deadline is not None and monotonic() >= deadline:
                return

    @abstractmethod
    def head(self, channel: str) -> int:
        """Return the cursor of the newest event ever appended; see `ChannelOperations.head`."""

"""The events of a `BackendStore`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import override

from lllm.errors import InvalidPayloadError, StoreFormatError
from lllm.store.backed.core import BackedCore
from lllm.store.backend import Reader
from lllm.store.drafts import draft_event, draft_events
from lllm.store.engine.appending import append
from lllm.store.engine.lookup import require_event, require_events, require_head
from lllm.store.engine.querying import EventQuery, query
from lllm.store.inputs import seconds, whole_number
from lllm.store.models import Event
from lllm.store.names import require_segment, require_token
from lllm.store.protocol.events import EventOperations
from lllm.store.rows import EventRow, events_of
from lllm.store.signal import wait_for

__all__ = ["BackedEvents"]


class BackedEvents(EventOperations, BackedCore):
    """Events, on a backend's primitives."""

    @override
    def append_event(self, event: Event | Mapping[str, Any]) -> Event:
        draft = draft_event(event)
        return self._write(lambda tx: append(tx, (draft,), batch=False))[0]

    @override
    def append_events(self, events: Iterable[Event | Mapping[str, Any]]) -> tuple[Event, ...]:
        drafts = draft_events(events)
        if not drafts:
            self._stamp()
            return ()
        return tuple(self._write(lambda tx: append(tx, drafts)))

    @override
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
        whole_number(after_cursor, "after_cursor")
        whole_number(limit, "limit", least=1)
        require_segment(channel, "channel.name")
        wanted = EventQuery(channel, after_cursor, before_cursor, kind, source, correlation_id, reverse)

        def work(tx: Reader) -> list[Event]:
            require_head(tx, channel)
            _check_query(wanted)
            return query(tx, wanted, limit)

        return tuple(self._read(work))

    @override
    def get_event(self, event_id: str) -> Event:
        require_segment(event_id, "event.id")
        return _decoded(self._read(lambda tx: require_event(tx, event_id)))

    @override
    def get_events(self, ids: Iterable[str]) -> tuple[Event, ...]:
        wanted = [require_segment(event_id, "event.id") for event_id in ids]
        return tuple(_decoded(row) for row in self._read(lambda tx: require_events(tx, wanted)))

    @override
    def wait_events(
        self,
        channel: str,
        *,
        after_cursor: int,
        kind: str | None = None,
        limit: int = 100,
        timeout: float = 30.0,
    ) -> tuple[Event, ...]:
        patience = seconds(timeout, "timeout")

        def look() -> tuple[tuple[Event, ...], None]:
            return self.query_events(channel, after_cursor=after_cursor, limit=limit, kind=kind), None

        return wait_for(self._signal, self._stamp, look, patience)


def _check_query(wanted: EventQuery) -> None:
    if wanted.kind is not None:
        require_token(wanted.kind, "event.kind")
    if wanted.correlation_id is not None:
        require_token(wanted.correlation_id, "event.correlation_id")
    if wanted.before is not None:
        whole_number(wanted.before, "before_cursor")
    if wanted.source is not None and not isinstance(wanted.source, str):
        raise InvalidPayloadError("source must be a string.")


def _decoded(row: EventRow) -> Event:
    events = events_of([row])
    if not events:
        raise StoreFormatError(f"Unsupported store format: the event {row[0]} cannot be decoded")
    return events[0]

"""Requests about events and their lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lllm.store import Artifact, Event
from lllm.store.names import require_segment, require_token
from lllm_store_http.requests import Call, fill, inside, items_of, reader

__all__ = [
    "append_event",
    "append_events",
    "artifacts_for",
    "get_event",
    "list_relatives",
    "query_events",
    "search_events",
    "trace",
]

_EVENT = reader(Event)
_EVENTS = reader(tuple[Event, ...])


def append_event(body: Mapping[str, Any], *, repeatable: bool = False) -> Call[Event]:
    """Append one event from its JSON form; repeatable when it has an id."""
    return Call("POST", "/events", "/events", _EVENT, json=body, repeatable=repeatable)


def append_events(
    bodies: Sequence[Mapping[str, Any]], *, repeatable: bool = False
) -> Call[tuple[Event, ...]]:
    """Append a batch of events from their JSON forms; repeatable when all have ids."""
    path = "/v1/events/batch"
    return Call(
        "POST", path, path, inside("events", _EVENTS), json={"events": list(bodies)}, repeatable=repeatable
    )


def query_events(channel: object, *, after_cursor: Any, limit: Any, kind: object) -> Call[tuple[Event, ...]]:
    """List events of a channel in cursor order."""
    params = {
        "channel": require_segment(channel, "event.channel"),
        "after_cursor": after_cursor,
        "limit": limit,
    }
    if kind is not None:
        params["kind"] = require_token(kind, "event.kind")
    return Call("GET", "/events", "/events", _EVENTS, params=params, repeatable=True)


def search_events(channel: object, *, wait: float | None = None, **criteria: Any) -> Call[tuple[Event, ...]]:
    """List events of a channel by further criteria, or wait for the first one.

    Args:
        channel: Name of the channel.
        wait: How long the server waits for an event, in seconds; None does not wait.
        criteria: Query parameters of the route; those that are None are not sent.
    """
    params = {"channel": require_segment(channel, "event.channel"), **criteria, "wait": wait}
    read = items_of("events", _EVENTS)
    return Call("GET", "/v1/events", "/v1/events", read, params=params, repeatable=True, waits=wait or 0.0)


def get_event(event_id: object) -> Call[Event]:
    """Get one event."""
    path = fill("/events/{id}", require_segment(event_id, "event.id"))
    return Call("GET", path, "/events/{id}", _EVENT, repeatable=True)


def list_relatives(event_id: object, relation: str, **params: Any) -> Call[tuple[Event, ...]]:
    """List the events in a relation to one event.

    Args:
        event_id: The event.
        relation: `parents`, `children`, `ancestors` or `descendants`.
        params: `limit`, `after` or `depth`; those that are None are not sent.
    """
    template = f"/v1/events/{{event_id}}/{relation}"
    path = fill(template, require_segment(event_id, "event.id"))
    return Call("GET", path, template, items_of("events", _EVENTS), params=params, repeatable=True)


def trace(correlation_id: object, *, limit: int, after: int | str) -> Call[tuple[Event, ...]]:
    """List the events of a correlation in append order."""
    template = "/v1/trace/{correlation_id}"
    path = fill(template, require_token(correlation_id, "event.correlation_id"))
    return Call(
        "GET",
        path,
        template,
        items_of("events", _EVENTS),
        params={"limit": limit, "after": after or None},
        repeatable=True,
    )


def artifacts_for(event_id: object) -> Call[tuple[Artifact, ...]]:
    """List the artifacts that name an event."""
    template = "/v1/events/{event_id}/artifacts"
    path = fill(template, require_segment(event_id, "event.id"))
    read = items_of("artifacts", reader(tuple[Artifact, ...]))
    return Call("GET", path, template, read, repeatable=True)

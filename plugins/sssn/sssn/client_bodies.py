"""The exact JSON bodies that the clients send, and what is checked before anything is sent."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from lllm.errors import InvalidPayloadError
from lllm.store import Channel, Event, Snapshot
from lllm.store.encoding import json_form, plain_text
from lllm.store.names import require_segment, require_segments, require_token

__all__ = [
    "artifact_body",
    "artifact_content",
    "artifact_fields",
    "channel_body",
    "commit_body",
    "event_body",
    "snapshot_body",
    "subscription_body",
]

_SNAPSHOT_KEYS = ("channel", "timestamp", "value", "schema", "source_event_id", "metadata")


def _sendable(body: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON form of a body, so that what cannot be sent is an error before the request."""
    form = {key: json_form(value) for key, value in body.items()}
    plain_text(form)
    return form


def _object(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidPayloadError(f"{field} must be an object.")
    return dict(value)


def _fields(value: object, model: type[Channel | Event], field: str) -> dict[str, Any]:
    if isinstance(value, model):
        return value.model_dump(by_alias=True)
    fields = _object(value, field)
    if not all(isinstance(key, str) for key in fields):
        raise InvalidPayloadError(f"{field} keys must be strings.")
    return fields


def channel_body(channel: Channel | Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of `POST /channels`; a mapping is passed through.

    Args:
        channel: The channel.

    Raises:
        InvalidPayloadError: The name or the metadata is malformed, or a value has no JSON form.
    """
    body = _fields(channel, Channel, "channel")
    require_segment(body.get("name"), "channel.name")
    if "metadata" in body:
        _object(body["metadata"], "channel.metadata")
    return _sendable(body)


def event_body(event: Event | Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of `POST /events`; a mapping is passed through with its parent ids as a list.

    Args:
        event: The event.

    Raises:
        InvalidPayloadError: A name, the kind, the correlation id, the parent ids or the metadata is
            malformed, or a value has no JSON form.
    """
    body = _fields(event, Event, "event")
    require_segment(body.get("channel"), "event.channel")
    if "id" in body:
        require_segment(body["id"], "event.id")
    if "kind" in body:
        require_token(body["kind"], "event.kind")
    if body.get("correlation_id") is not None:
        require_token(body["correlation_id"], "event.correlation_id")
    if "metadata" in body:
        _object(body["metadata"], "event.metadata")
    body["parent_ids"] = list(require_segments(body.get("parent_ids", ()), "event.parent_ids"))
    return _sendable(body)


def subscription_body(
    channel: str,
    *,
    subscription_id: str | None,
    consumer: str | None,
    batch_size: int,
    filters: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    additions: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the body of `POST /subscriptions`.

    Args:
        channel: Name of the channel.
        subscription_id: Id of the subscription, or None for a new one.
        consumer: Who reads it.
        batch_size: Events per pull or lease.
        filters: None means no filter.
        metadata: None means none.
        additions: Further keys; those that are None are left out.

    Raises:
        InvalidPayloadError: A name, the consumer, the filters or the metadata is malformed.
    """
    if subscription_id is not None:
        require_segment(subscription_id, "subscription.id")
    if consumer is not None:
        require_token(consumer, "subscription.consumer")
    body = {
        "id": subscription_id,
        "channel": require_segment(channel, "subscription.channel"),
        "consumer": consumer,
        "batch_size": batch_size,
        "filters": {} if filters is None else _object(filters, "subscription.filters"),
        "metadata": {} if metadata is None else _object(metadata, "subscription.metadata"),
    }
    return _sendable(body | {key: value for key, value in additions.items() if value is not None})


def artifact_fields(
    channel: str | None, media_type: str, metadata: Mapping[str, Any] | None, event_ids: Iterable[str]
) -> dict[str, Any]:
    """Return what a request says about an artifact beside its content.

    Args:
        channel: Channel it belongs to.
        media_type: Its media type.
        metadata: None means none.
        event_ids: Events it belongs to.

    Raises:
        InvalidPayloadError: A name, the metadata or the event ids are malformed.
    """
    if channel is not None:
        require_segment(channel, "artifact.channel")
    fields = {
        "channel": channel,
        "media_type": media_type,
        "metadata": {} if metadata is None else _object(metadata, "artifact.metadata"),
        "event_ids": list(require_segments(event_ids, "artifact.event_ids")),
    }
    return _sendable(fields)


def artifact_content(data: object) -> str | bytes:
    """Return the content of an artifact: text as it is, bytes of any kind as bytes.

    Args:
        data: Text or bytes.

    Raises:
        InvalidPayloadError: `data` is neither, or holds a lone surrogate.
    """
    if isinstance(data, str):
        plain_text(data)
        return data
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise InvalidPayloadError("artifact data must be bytes or text.")


def artifact_body(content: str | bytes, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of `POST /artifacts`: text as it is, bytes as base64.

    Args:
        content: What `artifact_content` returned.
        fields: What `artifact_fields` returned.
    """
    if isinstance(content, str):
        return {"data": content, "encoding": "text", **fields}
    return {"data": base64.b64encode(content).decode("ascii"), "encoding": "base64", **fields}


def commit_body(
    tokens: Iterable[str],
    events: Iterable[Event | Mapping[str, Any]],
    snapshots: Iterable[Snapshot | Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the body of `POST /v1/commit`.

    Args:
        tokens: Tokens of the deliveries to finish.
        events: Events to append.
        snapshots: Snapshots to write.

    Raises:
        InvalidPayloadError: An event or a snapshot is malformed.
    """
    return {
        "acks": list(tokens),
        "events": [event_body(event) for event in events],
        "snapshots": [_named_snapshot(snapshot) for snapshot in snapshots],
    }


def _named_snapshot(snapshot: Snapshot | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(snapshot, Snapshot):
        body = snapshot.model_dump(by_alias=True, exclude={"revision"})
    else:
        body = _object(snapshot, "snapshot")
    require_segment(body.get("name"), "snapshot.name")
    _check_snapshot(body)
    return _sendable(body)


def snapshot_body(value: object, extras: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of `PUT /snapshots/{name}`.

    Args:
        value: The value, or a `Snapshot` whose name is not used.
        extras: Further fields; those that are None are left out, the others win.

    Raises:
        InvalidPayloadError: A name or the metadata is malformed, or a mapping without any extra could be
            the value as well as the whole body.
    """
    given = {key: extra for key, extra in extras.items() if extra is not None}
    if isinstance(value, Snapshot):
        fields = value.model_dump(by_alias=True, exclude={"name", "revision"})
        body = {key: field for key, field in fields.items() if field is not None} | given
    else:
        if isinstance(value, Mapping) and not given:
            _refuse_ambiguous(value)
        body = {"value": value, **given}
    _check_snapshot(body)
    return _sendable(body)


def _check_snapshot(fields: Mapping[str, Any]) -> None:
    for key in ("channel", "source_event_id"):
        if fields.get(key) is not None:
            require_segment(fields[key], f"snapshot.{key}")
    if "metadata" in fields:
        _object(fields["metadata"], "snapshot.metadata")


def _refuse_ambiguous(value: Mapping[str, Any]) -> None:
    found = [key for key in _SNAPSHOT_KEYS if key in value]
    if found:
        _check_snapshot(value)
        raise InvalidPayloadError(
            f"snapshot value is ambiguous: {', '.join(found)} may be part of the value or fields of the "
            "snapshot; pass Snapshot(...) or a keyword argument"
        )

"""The JSON bodies that a store sends, from arguments checked like those of a local store."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from lllm.errors import InvalidPayloadError
from lllm.store import Channel, Snapshot, Subscription
from lllm.store.encoding import json_form
from lllm.store.inputs import object_of
from lllm.store.names import require_segment, require_segments
from lllm.store.rows import Draft

__all__ = [
    "artifact_body",
    "artifact_bytes",
    "artifact_fields",
    "channel_body",
    "event_bodies",
    "snapshot_body",
    "subscription_body",
    "untimed",
]


def channel_body(channel: Channel) -> dict[str, Any]:
    """Return the body of `POST /channels`.

    Args:
        channel: A checked channel.
    """
    return channel.model_dump(by_alias=True)


def event_bodies(drafts: Iterable[Draft], *, timed_only: bool = False) -> list[dict[str, Any]]:
    """Return the JSON forms of events.

    Args:
        drafts: Checked events.
        timed_only: Leave out timestamps that no caller named. A repeat of an event is compared with them
            otherwise, and the clock has moved.
    """
    return [
        event.model_dump(
            by_alias=True, exclude={"cursor", "timestamp"} if timed_only and not timed else {"cursor"}
        )
        for event, _, timed in drafts
    ]


def untimed(drafts: Iterable[Draft]) -> bool:
    """Tell whether the timestamp of an event was not named by its caller.

    Args:
        drafts: Checked events.
    """
    return any(not timed for _, _, timed in drafts)


def subscription_body(subscription: Subscription, start: str | int) -> dict[str, Any]:
    """Return the body of `POST /subscriptions`.

    Args:
        subscription: A checked subscription.
        start: Where a new one begins.
    """
    body = subscription.model_dump(by_alias=True, exclude={"cursor"})
    return body if start == "beginning" else {**body, "start": start}


def snapshot_body(snapshot: Snapshot, expected_revision: int | None) -> dict[str, Any]:
    """Return the body of `PUT /snapshots/{name}`.

    Args:
        snapshot: A checked snapshot.
        expected_revision: Revision that must be the current one, or None.
    """
    body = snapshot.model_dump(by_alias=True, exclude={"name", "revision"})
    return body if expected_revision is None else {**body, "expected_revision": expected_revision}


def artifact_bytes(data: object) -> bytes:
    """Return the bytes of an artifact.

    Args:
        data: Bytes of any kind.

    Raises:
        InvalidPayloadError: It is something else.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise InvalidPayloadError("artifact data must be bytes.")


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
        InvalidPayloadError: The metadata, the event ids or the channel's name is malformed.
    """
    return {
        "metadata": json_form(object_of(metadata, "artifact.metadata")),
        "event_ids": list(require_segments(event_ids, "artifact.event_ids")),
        "channel": None if channel is None else require_segment(channel, "artifact.channel"),
        "media_type": media_type,
    }


def artifact_body(data: bytes, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of `POST /artifacts`.

    Args:
        data: The content.
        fields: What `artifact_fields` returned.
    """
    return {"data": base64.b64encode(data).decode("ascii"), "encoding": "base64", **fields}

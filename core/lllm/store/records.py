"""Channels, subscriptions, snapshots and artifacts as callers hand them over, checked and in their JSON form."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from lllm.errors import InvalidPayloadError
from lllm.store.encoding import json_form, plain_text
from lllm.store.inputs import UNSET, known_fields, object_of, seconds, validated, whole_number
from lllm.store.models import Artifact, Channel, Snapshot, Subscription
from lllm.store.names import require_segment, require_segments, require_token

__all__ = [
    "artifact_record",
    "channel_record",
    "kind_filter",
    "snapshot_record",
    "subscription_record",
    "subscription_settings",
]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}[ ]*(;[\x20-\x7e]*)?")


def channel_record(value: Channel | Mapping[str, Any]) -> Channel:
    """Check a channel that is about to be written.

    Args:
        value: A channel or its fields; `metadata` None in a mapping means an empty object.

    Returns:
        An owned channel in its JSON form.

    Raises:
        InvalidPayloadError: A field is malformed.
    """
    channel = validated(Channel, _fields(value, Channel, "channel"), "channel")
    require_segment(channel.name, "channel.name", new=True)
    _check_texts("channel", schema=channel.schema, description=channel.description)
    return channel.model_copy(update={"metadata": json_form(channel.metadata)})


def snapshot_record(value: Snapshot | Mapping[str, Any]) -> Snapshot:
    """Check a snapshot that is about to be written.

    Args:
        value: A snapshot or its fields; `metadata` None in a mapping means an empty object.

    Returns:
        An owned snapshot in its JSON form, without a revision.

    Raises:
        InvalidPayloadError: A field is malformed.
    """
    fields = _fields(value, Snapshot, "snapshot")
    if isinstance(fields, dict):
        fields.pop("revision", None)
    snapshot = validated(Snapshot, fields, "snapshot")
    require_segment(snapshot.name, "snapshot.name", new=True)
    if snapshot.channel is not None:
        require_segment(snapshot.channel, "snapshot.channel")
    if snapshot.source_event_id is not None:
        require_segment(snapshot.source_event_id, "snapshot.source_event_id")
    if not math.isfinite(snapshot.timestamp):
        raise InvalidPayloadError("Invalid snapshot: snapshot.timestamp must be finite.")
    _check_texts("snapshot", schema=snapshot.schema)
    form = {"value": json_form(snapshot.value), "metadata": json_form(snapshot.metadata)}
    return snapshot.model_copy(update=form)


def subscription_record(
    channel: str,
    *,
    subscription_id: object,
    consumer: object,
    batch_size: int,
    filters: object,
    metadata: object,
    lease_seconds: object = None,
    max_deliveries: object = None,
    dead_letter: object = None,
) -> Subscription:
    """Check a subscription whose channel exists; the arguments are those of `create_subscription`.

    Args:
        channel: Name of the channel.
        subscription_id: Id, or None for a new one.
        consumer: Token or None.
        batch_size: A checked batch size.
        filters: Mapping or None.
        metadata: Mapping or None.
        lease_seconds: Positive seconds or None.
        max_deliveries: Positive integer or None.
        dead_letter: Name of a channel or None.

    Returns:
        An owned subscription in its JSON form, with cursor 0.

    Raises:
        InvalidPayloadError: A field is malformed, or a filter is not supported.
    """
    fields: dict[str, Any] = {
        "channel": channel,
        "consumer": consumer,
        "batch_size": batch_size,
        "filters": object_of(filters, "subscription.filters"),
        "metadata": object_of(metadata, "subscription.metadata"),
    }
    if subscription_id is not None:
        fields["id"] = subscription_id
    subscription = validated(Subscription, fields, "subscription")
    require_segment(subscription.id, "subscription.id", new=True)
    if subscription.consumer is not None:
        require_token(subscription.consumer, "subscription.consumer", new=True)
    kind_filter(subscription.filters)
    subscription.filters = json_form(subscription.filters)
    subscription.metadata = json_form(subscription.metadata)
    subscription.lease_seconds = _lease_seconds(lease_seconds)
    subscription.max_deliveries = _max_deliveries(max_deliveries)
    subscription.dead_letter = _dead_letter(dead_letter)
    return subscription


def subscription_settings(
    *,
    batch_size: object,
    metadata: object,
    lease_seconds: object,
    max_deliveries: object,
    dead_letter: object,
) -> dict[str, Any]:
    """Check the settings that `update_subscription` changes and return those that were given.

    Args:
        batch_size: Positive integer or UNSET.
        metadata: Mapping, None or UNSET.
        lease_seconds: Positive seconds, None or UNSET.
        max_deliveries: Positive integer, None or UNSET.
        dead_letter: Name of a channel, None or UNSET.

    Raises:
        InvalidPayloadError: A setting is malformed.
    """
    settings: dict[str, Any] = {}
    if batch_size is not UNSET:
        settings["batch_size"] = whole_number(batch_size, "batch_size", least=1)
    if metadata is not UNSET:
        settings["metadata"] = json_form(object_of(metadata, "subscription.metadata"))
    if lease_seconds is not UNSET:
        settings["lease_seconds"] = _lease_seconds(lease_seconds)
    if max_deliveries is not UNSET:
        settings["max_deliveries"] = _max_deliveries(max_deliveries)
    if dead_letter is not UNSET:
        settings["dead_letter"] = _dead_letter(dead_letter)
    return settings


def _lease_seconds(value: object) -> float | None:
    return None if value is None else seconds(value, "lease_seconds", positive=True)


def _max_deliveries(value: object) -> int | None:
    return None if value is None else whole_number(value, "max_deliveries", least=1)


def _dead_letter(value: object) -> str | None:
    return None if value is None else require_segment(value, "subscription.dead_letter")


def kind_filter(filters: Mapping[Any, Any]) -> str | None:
    """Return the kind that the filters of a subscription select, None for every kind.

    Args:
        filters: The filters.

    Raises:
        InvalidPayloadError: A filter is not supported, or the kind is not a token.
    """
    unsupported = sorted(str(key) for key in filters if key != "kind")
    if unsupported:
        raise InvalidPayloadError(
            f"subscription filters only support 'kind'; unsupported: {', '.join(unsupported)}"
        )
    kind = filters.get("kind")
    if kind is None:
        return None
    return require_token(kind, "subscription filter 'kind'")


def artifact_record(
    *,
    artifact_id: object,
    channel: str | None,
    media_type: object,
    metadata: object,
    event_ids: tuple[str, ...],
    path: str,
    size: int,
    sha256: str,
) -> Artifact:
    """Check an artifact record; the arguments are those of `write_artifact` and what its content became.

    Args:
        artifact_id: Id, or None for a new one.
        channel: Name of an existing channel or None.
        media_type: `type/subtype`, with parameters.
        metadata: Mapping or None.
        event_ids: Ids of existing events.
        path: Where the bytes are.
        size: Length in bytes.
        sha256: Hash of the bytes.

    Returns:
        An owned artifact in its JSON form.

    Raises:
        InvalidPayloadError: A field is malformed.
    """
    fields: dict[str, Any] = {
        "channel": channel,
        "path": path,
        "media_type": media_type,
        "size": size,
        "sha256": sha256,
        "metadata": object_of(metadata, "artifact.metadata"),
        "event_ids": event_ids,
    }
    if artifact_id is not None:
        fields["id"] = artifact_id
    artifact = validated(Artifact, fields, "artifact")
    require_segment(artifact.id, "artifact.id", new=True)
    if _MEDIA_TYPE.fullmatch(artifact.media_type) is None:
        raise InvalidPayloadError(
            "Invalid artifact: artifact.media_type must be `type/subtype` with optional parameters, in "
            "printable ASCII."
        )
    artifact.metadata = json_form(artifact.metadata)
    require_segments(artifact.event_ids, "artifact.event_ids")
    return artifact


def _fields(value: object, model: type[Channel | Snapshot], label: str) -> object:
    """Return what to validate: fields by name, so that a mutated instance is checked again."""
    if isinstance(value, model):
        return {name: getattr(value, name, None) for name in model.model_fields}
    if not isinstance(value, Mapping):
        return value
    fields = dict(value)
    known_fields(fields, model, label)
    if "metadata" in fields:
        fields["metadata"] = object_of(fields["metadata"], f"{label}.metadata")
    return fields


def _check_texts(label: str, **texts: str | None) -> None:
    for name, text in texts.items():
        try:
            plain_text(text)
        except InvalidPayloadError as error:
            raise InvalidPayloadError(f"Invalid {label}: {label}.{name} holds a lone surrogate.") from error

"""The records of a store: channels, events, subscriptions, artifacts and snapshots.

Construction checks names by the rule for reading; a store applies the stricter rule for writing. Every
mapping and payload is copied at construction, so a record never shares state with its maker.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from lllm.names import copy_boundary
from lllm.store.ids import new_id
from lllm.store.names import is_name, segment_text, segments_text, token_text

__all__ = [
    "Artifact",
    "Channel",
    "ChannelForm",
    "Event",
    "Snapshot",
    "Subscription",
]

ChannelForm = Literal[
    "log",
    "queue",
    "topic",
    "blackboard",
    "latest-state",
    "artifact-index",
    "pipeline-edge",
    "database-view",
    "feed",
    "time-series",
    "tree",
    "forum",
    "hub",
]
"""What a channel is meant to be; no operation depends on it."""


def _copied(value: Any) -> Any:
    try:
        return copy_boundary(value)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _segment(field: str) -> AfterValidator:
    return AfterValidator(_checker(segment_text(field)))


def _token(field: str) -> AfterValidator:
    return AfterValidator(_checker(token_text(field)))


def _checker(message: str) -> Any:
    def check(value: str) -> str:
        if is_name(value):
            return value
        raise ValueError(message)

    return check


def _segments(field: str) -> BeforeValidator:
    message = segments_text(field)

    def check(value: Any) -> tuple[str, ...]:
        if isinstance(value, (tuple, list, set, frozenset)) and all(is_name(item) for item in value):
            return tuple(value)
        raise ValueError(message)

    return BeforeValidator(check)


def _mapping(field: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, Mapping):
            return _copied(value)
        raise ValueError(f"{field} must be an object.")

    return BeforeValidator(check)


_Payload = Annotated[Any, BeforeValidator(_copied)]


def _absent(value: object) -> bool:
    return value is None


class _Record(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class _Described(_Record):
    if TYPE_CHECKING:
        schema_ref: str | None

    @property
    def schema(self) -> str | None:  # type: ignore[override]
        """The schema that values are said to follow; a name that no store checks."""
        return self.schema_ref


class Channel(_Described):
    """A named, ordered log of events.

    Args:
        name: Path segment, unique in the store.
        schema: Schema that payloads are said to follow.
        form: What the channel is meant to be.
        description: One line for people.
        metadata: Anything JSON can say, copied.

    Raises:
        pydantic.ValidationError: A field is malformed.
    """

    model_config = ConfigDict(frozen=True)

    name: Annotated[StrictStr, _segment("channel.name")]
    schema_ref: StrictStr | None = Field(default=None, alias="schema")
    form: ChannelForm = "log"
    description: StrictStr = ""
    metadata: Annotated[dict[str, Any], _mapping("channel.metadata")] = Field(default_factory=dict)


class Event(_Described):
    """One thing that happened, as a channel keeps it.

    Args:
        id: Path segment, unique in the whole store; made when absent.
        cursor: Place in the channel, counted from 1; assigned by the store, ignored on input.
        channel: Name of the channel.
        timestamp: When it happened, in unix seconds.
        source: Who says so.
        kind: What happened; the one field that subscriptions filter on.
        payload: Anything JSON can say, copied.
        schema: Schema that the payload is said to follow.
        metadata: Anything JSON can say, copied.
        correlation_id: What ties events of several channels to one episode.
        parent_ids: Ids of the events that this one came from.

    Raises:
        pydantic.ValidationError: A field is malformed.
    """

    id: Annotated[StrictStr, _segment("event.id")] = Field(default_factory=new_id)
    cursor: int | None = None
    channel: Annotated[StrictStr, _segment("event.channel")]
    timestamp: float = Field(default_factory=time.time)
    source: StrictStr | None = None
    kind: Annotated[StrictStr, _token("event.kind")] = "event"
    payload: _Payload = None
    schema_ref: StrictStr | None = Field(default=None, alias="schema")
    metadata: Annotated[dict[str, Any], _mapping("event.metadata")] = Field(default_factory=dict)
    correlation_id: Annotated[StrictStr, _token("event.correlation_id")] | None = None
    parent_ids: Annotated[tuple[StrictStr, ...], _segments("event.parent_ids")] = ()


class Artifact(_Record):
    """The record of a piece of content that is kept beside the events.

    Args:
        id: Path segment, unique in the store; made when absent.
        channel: Channel that it belongs to.
        path: Where the bytes are, relative to the store: `artifacts/<sha256>`.
        media_type: `type/subtype`, with parameters.
        size: Length in bytes.
        sha256: Hash of the bytes, 64 hex digits.
        metadata: Anything JSON can say, copied.
        event_ids: Ids of the events that it belongs to.

    Raises:
        pydantic.ValidationError: A field is malformed.
    """

    id: Annotated[StrictStr, _segment("artifact.id")] = Field(default_factory=new_id)
    channel: Annotated[StrictStr, _segment("artifact.channel")] | None = None
    path: StrictStr
    media_type: StrictStr = "application/octet-stream"
    size: int
    sha256: StrictStr | None = None
    metadata: Annotated[dict[str, Any], _mapping("artifact.metadata")] = Field(default_factory=dict)
    event_ids: Annotated[tuple[StrictStr, ...], _segments("artifact.event_ids")] = ()


class Snapshot(_Described):
    """The newest value of something, kept by name.

    Args:
        name: Path segment; one namespace per store.
        channel: Channel that it summarises.
        timestamp: When the value was true, in unix seconds.
        value: Anything JSON can say, copied.
        schema: Schema that the value is said to follow.
        source_event_id: Id of the event that it came from.
        metadata: Anything JSON can say, copied.
        revision: How often the name has been written, from 1; assigned by the store and left out of
            JSON while None.

    Raises:
        pydantic.ValidationError: A field is malformed.
    """

    name: Annotated[StrictStr, _segment("snapshot.name")]
    channel: Annotated[StrictStr, _segment("snapshot.channel")] | None = None
    timestamp: float = Field(default_factory=time.time)
    value: _Payload = None
    schema_ref: StrictStr | None = Field(default=None, alias="schema")
    source_event_id: Annotated[StrictStr, _segment("snapshot.source_event_id")] | None = None
    metadata: Annotated[dict[str, Any], _mapping("snapshot.metadata")] = Field(default_factory=dict)
    revision: int | None = Field(default=None, exclude_if=_absent)


class Subscription(_Record):
    """A durable reader of one channel.

    Args:
        id: Path segment, unique in the store; made when absent.
        channel: Name of the channel.
        cursor: The floor: every matching event at or below it is finished.
        consumer: Who reads; kept for people.
        batch_size: How many events a read returns when it names no limit.
        filters: `{"kind": ...}` or empty.
        metadata: Anything JSON can say, copied.
        lease_seconds: How long a lease lasts when the reader names no time; left out of JSON while None.
        max_deliveries: How often an event is handed out before it goes to the dead letters; left out of
            JSON while None, which means without limit.
        dead_letter: Channel that takes events that were handed out too often; left out of JSON while None.

    Raises:
        pydantic.ValidationError: A field is malformed.
    """

    id: Annotated[StrictStr, _segment("subscription.id")] = Field(default_factory=new_id)
    channel: Annotated[StrictStr, _segment("subscription.channel")]
    cursor: int = 0
    consumer: Annotated[StrictStr, _token("subscription.consumer")] | None = None
    batch_size: int = 100
    filters: Annotated[dict[str, Any], _mapping("subscription.filters")] = Field(default_factory=dict)
    metadata: Annotated[dict[str, Any], _mapping("subscription.metadata")] = Field(default_factory=dict)
    lease_seconds: float | None = Field(default=None, exclude_if=_absent)
    max_deliveries: int | None = Field(default=None, exclude_if=_absent)
    dead_letter: Annotated[StrictStr, _segment("subscription.dead_letter")] | None = Field(
        default=None, exclude_if=_absent
    )

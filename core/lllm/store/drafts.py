"""Events as callers hand them over, checked and brought into the form that is stored."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from lllm.errors import InvalidPayloadError, SSSNError
from lllm.store.inputs import known_fields, object_of, validated
from lllm.store.models import Event
from lllm.store.names import require_segment, require_segments, require_token
from lllm.store.rows import Draft, quick_draft

__all__ = ["at_index", "draft_event", "draft_events"]


def draft_event(value: Event | Mapping[str, Any], *, now: float | None = None) -> Draft:
    """Check one event and return its draft; the passed event or mapping is not kept.

    Args:
        value: An event, mutated or not, or its fields.
        now: Timestamp of an event without one, in unix seconds; the clock when None.

    Raises:
        InvalidPayloadError: A field is malformed, or a value has no JSON form.
    """
    if now is None:
        now = time.time()
    if isinstance(value, Event):
        timed = "timestamp" in value.model_fields_set
        # The timestamp that the model made is as good as ours, and what its maker sees.
        draft = quick_draft(value.__dict__, timed=True, now=now)
        if draft is None:
            draft = _full_draft({name: getattr(value, name, None) for name in Event.model_fields}, now=now)
        return draft if timed else (draft[0], draft[1], False)
    # The exact type first: asking the abstract class takes as long as a tenth of the draft.
    if type(value) is dict or isinstance(value, Mapping):
        draft = quick_draft(value, timed="timestamp" in value, now=now)
        return draft if draft is not None else _mapping_draft(value, now)
    validated(Event, value, "event")
    raise InvalidPayloadError("Invalid event: it must be an Event or an object.")


def draft_events(values: Iterable[Event | Mapping[str, Any]]) -> list[Draft]:
    """Check a batch of events and return their drafts.

    Args:
        values: Events or their fields.

    Raises:
        InvalidPayloadError: An event is malformed; the text begins with `events[i]: `.
    """
    if isinstance(values, (Event, Mapping, str, bytes)) or not isinstance(values, Iterable):
        raise InvalidPayloadError("events must be a list of events.")
    now = time.time()
    drafts: list[Draft] = []
    for index, value in enumerate(values):
        try:
            drafts.append(draft_event(value, now=now))
        except InvalidPayloadError as error:
            raise at_index(error, index) from error
    return drafts


def at_index(error: SSSNError, index: int) -> SSSNError:
    """Return an error of the same class that names the element of the batch.

    Args:
        error: What is wrong with the element.
        index: Place of the element in the batch, from 0.
    """
    return type(error)(f"events[{index}]: {error}")


def _mapping_draft(value: Mapping[str, Any], now: float) -> Draft:
    values = dict(value)
    known_fields(values, Event, "event")
    if "metadata" in values:
        values["metadata"] = object_of(values["metadata"], "event.metadata")
    return _full_draft(values, now=now)


def _full_draft(values: dict[str, Any], *, now: float) -> Draft:
    """Validate with pydantic, for conversions and for its error texts."""
    event = validated(Event, values, "event")
    timed = "timestamp" in values
    draft = quick_draft(event.__dict__, timed=timed, now=now)
    if draft is not None:
        return draft
    require_segment(event.id, "event.id", new=True)
    require_segment(event.channel, "event.channel", new=True)
    require_token(event.kind, "event.kind", new=True)
    if event.correlation_id is not None:
        require_token(event.correlation_id, "event.correlation_id", new=True)
    require_segments(event.parent_ids, "event.parent_ids", new=True)
    if not math.isfinite(event.timestamp):
        raise InvalidPayloadError("Invalid event: event.timestamp must be finite.")
    raise InvalidPayloadError("Invalid event: a field has a type that cannot be stored.")

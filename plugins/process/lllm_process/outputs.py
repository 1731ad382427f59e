"""What goes in and out: the context of a call, and the event that carries its result.

Everything that identifies an output is derived from its input, so that a repeat is the same event.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic_core import to_jsonable_python

from lllm import CallContext
from lllm.error_text import error_text
from lllm.errors import InvalidPayloadError
from lllm.names import check_token
from lllm.store import Delivery, Event

__all__ = ["call_context", "output_event", "output_id", "token_of"]

_NAMESPACE = uuid5(NAMESPACE_URL, "psi://lllm/process/docs/output-id")


def output_id(subscription: str, event_id: str, generation: str = "") -> str:
    """Return the id of the output of an event.

    Args:
        subscription: Id of the subscription that handed the event out.
        event_id: Id of the input event.
        generation: Tells the outputs of one processing from those of a deliberate second one.
    """
    return str(uuid5(_NAMESPACE, "\x00".join((subscription, event_id, generation))))


def call_context(delivery: Delivery, request_id: str) -> CallContext:
    """Return the context that a tactic is called with.

    The request id is the id of the output: the same in every attempt, and therefore the idempotency key for whatever
    the tactic does outside of the store.

    Args:
        delivery: The leased event.
        request_id: Id of the output.
    """
    event = delivery.event
    correlation = event.correlation_id or event.id
    return CallContext(
        request_id=request_id,
        trace_id=correlation if _is_token(correlation) else None,
        caller="lllm process",
        metadata={
            "event_id": event.id,
            "channel": event.channel,
            "cursor": event.cursor,
            "subscription": delivery.subscription,
            "attempt": delivery.attempt,
        },
    )


def token_of(text: str) -> str:
    """Return a text as a token: whatever a token cannot hold becomes a dash.

    Args:
        text: A display name.
    """
    return re.sub(r"[^\w.-]+", "-", text).strip("-") or "lllm"


def _is_token(text: str) -> bool:
    try:
        check_token(text, "trace_id")
    except ValueError:
        return False
    return True


def output_event(
    delivery: Delivery,
    result: Any,
    *,
    event_id: str,
    channel: str,
    source: str,
    kind: str,
    foreign: bool = False,
) -> Event:
    """Return the event that carries a result, with the input as its parent.

    A parent must be in the same store. An output that goes to another one names its input in the metadata instead,
    under `input`; the correlation id leads from one to the other as well.

    Args:
        delivery: The leased event.
        result: What the tactic returned.
        event_id: Id of the output.
        channel: Channel that it goes to.
        source: Who made it.
        kind: Its kind.
        foreign: Whether the output goes to another store than the input came from.

    Raises:
        InvalidPayloadError: The result has no JSON form.
    """
    event = delivery.event
    try:
        payload = to_jsonable_python(result, by_alias=True)
    except Exception as error:
        # Cycles, depth, bytes that are no text, serializers of models: every kind has an exception of its own.
        raise InvalidPayloadError(f"The result cannot be stored: {error_text(error)}") from error
    return Event(
        id=event_id,
        channel=channel,
        source=source,
        kind=kind,
        payload=payload,
        correlation_id=event.correlation_id or event.id,
        parent_ids=() if foreign else (event.id,),
        metadata={"input": {"id": event.id, "channel": event.channel}} if foreign else {},
    )

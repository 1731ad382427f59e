"""Where a page of a lineage query ended, so that the next one can begin there."""

from __future__ import annotations

from lllm.errors import EventNotFoundError, InvalidPayloadError
from lllm.store.backend import Reader
from lllm.store.inputs import whole_number
from lllm.store.models import Event
from lllm.store.names import is_name

__all__ = ["page_token", "position_after"]

_PREFIX = "id:"


def page_token(event: Event) -> str:
    """Return the opaque position of an event, for the argument `after` of the next page.

    Args:
        event: The last event of a page.
    """
    return _PREFIX + event.id


def position_after(tx: Reader, after: int | str) -> int:
    """Return the store-wide position that a page continues behind.

    Args:
        tx: The state to look it up in.
        after: 0, a position, or a page token.

    Raises:
        InvalidPayloadError: It is none of these.
        EventNotFoundError: The event of the token is not in the store.
    """
    if not isinstance(after, str):
        return whole_number(after, "after")
    if after.isascii() and after.isdigit():
        return int(after[:19])
    event_id = after.removeprefix(_PREFIX)
    if not after.startswith(_PREFIX) or not is_name(event_id):
        raise InvalidPayloadError("after must be 0 or the page token of an event.")
    row = tx.find_events((event_id,)).get(event_id)
    if row is not None:
        return row[7]
    removed = tx.removed_events((event_id,)).get(event_id)
    if removed is not None:
        return removed[4]
    raise EventNotFoundError(f"Event not found: {event_id}")

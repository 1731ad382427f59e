"""Where channels are: a psi:// ref of the config, or a name in a store."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lllm.errors import ChannelNotFoundError
from lllm.store import Store, open_store
from lllm_process.finishing import same_store

__all__ = ["Place", "ensure_named", "ensure_subscription", "open_places"]


@dataclass(frozen=True, slots=True)
class Place:
    """A channel in an open store."""

    store: Store
    channel: str


def open_places(
    stack: ExitStack, source: str, target: str | None, store: str | None
) -> tuple[Place, Place | None]:
    """Open the stores of the input and the output channel; one store is opened once.

    Args:
        stack: Closes the stores.
        source: psi:// ref or name of the input channel.
        target: The same for the output channel, or None.
        store: Store URL or directory for channels given by name; default `.sssn`.

    Raises:
        SSSNError: A ref is malformed or not bound, or a store cannot be opened.
        ChannelNotFoundError: There is no such input channel.
    """
    _check_there(source, store)
    opened = _open(source, store)
    stack.callback(opened.store.close)
    opened.store.get_channel(opened.channel)
    if target is None:
        return opened, None
    other = _open(target, store)
    if same_store(opened.store, other.store):
        other.store.close()
        other = Place(opened.store, other.channel)
    else:
        stack.callback(other.store.close)
    ensure_named(other.store, other.channel)
    return opened, other


def _check_there(name: str, store: str | None) -> None:
    """Refuse a directory that does not exist: opening it would make a store that nobody has filled."""
    where = ".sssn" if store is None else store
    if not name.startswith("psi:") and ":" not in where and not Path(where).expanduser().exists():
        raise ChannelNotFoundError(f"Channel not found: {name}; there is no store at `{where}`.")


def _open(name: str, store: str | None) -> Place:
    if not name.startswith("psi:"):
        return Place(open_store(".sssn" if store is None else store), name)
    from sssn import SSSNRef, SSSNResolver

    ref = SSSNRef.parse(name)
    resolver: Any = SSSNResolver.from_config(".")
    return Place(resolver.open(ref), ref.name)


def ensure_named(store: Store, channel: str) -> None:
    """Make a channel when there is none of that name.

    Args:
        store: An open store.
        channel: Its name.
    """
    try:
        store.get_channel(channel)
    except ChannelNotFoundError:
        store.ensure_channel({"name": channel})


def ensure_subscription(
    place: Place,
    name: str,
    *,
    lease_seconds: float | None,
    max_deliveries: int | None,
    dead_letter: str | None,
    **fresh: Any,
) -> None:
    """Make a subscription, or give one that is there the limits that are asked for.

    Args:
        place: Where its events come from.
        name: Its id.
        lease_seconds: Length of a lease, or None to leave it.
        max_deliveries: How often an event is tried, or None to leave it.
        dead_letter: Channel for events that are given up, or None to leave it.
        **fresh: What else a new subscription begins with.

    Raises:
        SubscriptionExistsError: It is there for another channel or with other filters.
    """
    limits: dict[str, Any] = {
        "lease_seconds": lease_seconds,
        "max_deliveries": max_deliveries,
        "dead_letter": dead_letter,
    }
    found = place.store.create_subscription(place.channel, subscription_id=name, **fresh, **limits)
    changed = {key: value for key, value in limits.items() if value not in (None, getattr(found, key))}
    if changed:
        place.store.update_subscription(name, **changed)

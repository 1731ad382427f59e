"""The semantics of a store in the plainest form: lists and dictionaries, no indexes, no transactions.

`store_machine` compares a store with it, step by step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ModelDelivery", "ModelEvent", "ModelStore", "ModelSubscription"]


@dataclass(frozen=True)
class ModelEvent:
    """An event: what it says, and where it is."""

    id: str
    channel: str
    kind: str
    payload: Any
    parents: tuple[str, ...]
    cursor: int = 0

    @property
    def content(self) -> tuple[Any, ...]:
        """What makes two events of one id the same event."""
        return (self.channel, self.kind, self.payload, self.parents)


@dataclass(frozen=True)
class ModelDelivery:
    """An event that was handed out: to whom, since which seek, and for which time."""

    subscription: str
    generation: int
    cursor: int
    attempt: int


@dataclass
class ModelSubscription:
    """A reader of one channel.

    The tables hold attempts by cursor: leased for long (`held`), leased for a moment that is over
    (`expired`), returned (`due`), returned for later (`delayed`), and finished by a token (`acked`).
    """

    id: str
    channel: str
    kind: str | None
    max_deliveries: int | None
    handed: int = 0
    generation: int = 0
    held: dict[int, int] = field(default_factory=dict)
    due: dict[int, int] = field(default_factory=dict)
    delayed: dict[int, int] = field(default_factory=dict)
    expired: dict[int, int] = field(default_factory=dict)
    acked: dict[int, int] = field(default_factory=dict)

    def current(self, delivery: ModelDelivery) -> bool:
        """Tell whether a delivery may still be finished."""
        place = {**self.held, **self.expired}
        return delivery.generation == self.generation and place.get(delivery.cursor) == delivery.attempt

    def done(self, delivery: ModelDelivery) -> bool:
        """Tell whether a delivery was finished by its own token."""
        return delivery.generation == self.generation and self.acked.get(delivery.cursor) == delivery.attempt

    def drop(self, cursor: int) -> None:
        """Forget that an event is waiting."""
        for table in (self.held, self.due, self.delayed, self.expired):
            table.pop(cursor, None)

    @property
    def waiting(self) -> dict[int, int]:
        """Attempts of the events that were handed out and are not finished, by cursor."""
        return {**self.held, **self.due, **self.delayed, **self.expired}


class ModelStore:
    """Channels, subscriptions and snapshots."""

    def __init__(self) -> None:
        self.log: dict[str, list[ModelEvent]] = {}
        self.first: dict[str, int] = {}
        self.events: dict[str, ModelEvent] = {}
        self.removed: dict[str, ModelEvent] = {}
        self.subscriptions: dict[str, ModelSubscription] = {}
        self.snapshots: dict[str, list[Any]] = {}

    def create_channel(self, name: str) -> None:
        """Create a channel."""
        self.log[name] = []
        self.first[name] = 1

    def kept(self, channel: str) -> list[ModelEvent]:
        """Return the events that were not removed."""
        return [event for event in self.log[channel] if event.cursor >= self.first[channel]]

    def append(self, events: Iterable[ModelEvent]) -> list[ModelEvent] | str:
        """Append events, or return why not: `missing` or `conflict`."""
        staged: dict[str, ModelEvent] = {}
        heads: dict[str, int] = {}
        result: list[ModelEvent] = []
        for event in events:
            known = staged.get(event.id) or self.events.get(event.id) or self.removed.get(event.id)
            if known is not None:
                if known.content != event.content:
                    return "conflict"
                result.append(known)
                continue
            if any(parent not in self.events and parent not in staged for parent in event.parents):
                return "missing"
            head = heads.get(event.channel, len(self.log[event.channel])) + 1
            heads[event.channel] = head
            placed = ModelEvent(event.id, event.channel, event.kind, event.payload, event.parents, head)
            staged[event.id] = placed
            result.append(placed)
        for placed in staged.values():
            self.events[placed.id] = placed
            self.log[placed.channel].append(placed)
        return result

    def repeats(self, events: Iterable[ModelEvent]) -> bool:
        """Tell whether every event is stored already, with the same content."""
        known = {**self.removed, **self.events}
        return all(event.id in known and known[event.id].content == event.content for event in events)

    def matching(self, subscription: ModelSubscription) -> list[ModelEvent]:
        """Return the kept events that a subscription reads."""
        kept = self.kept(subscription.channel)
        return [event for event in kept if subscription.kind in {None, event.kind}]

    def take(self, subscription: ModelSubscription, limit: int) -> list[tuple[ModelEvent, int]]:
        """Hand out events: those that are due, then new ones; what was handed out too often is given up."""
        by_cursor = {event.cursor: event for event in self.matching(subscription)}
        taken: list[tuple[ModelEvent, int]] = []
        ready = {**subscription.due, **subscription.expired}
        for cursor in sorted(ready):
            if len(taken) == limit:
                break
            attempt = ready[cursor]
            most = subscription.max_deliveries
            if cursor not in by_cursor or (most is not None and attempt >= most):
                subscription.drop(cursor)
            else:
                taken.append((by_cursor[cursor], attempt + 1))
        for cursor in sorted(by_cursor):
            if len(taken) < limit and cursor > subscription.handed:
                taken.append((by_cursor[cursor], 1))
                subscription.handed = cursor
        for event, _ in taken:
            subscription.drop(event.cursor)
        return taken

    def seek(self, subscription: ModelSubscription, cursor: int) -> None:
        """Move a subscription."""
        subscription.handed = cursor
        subscription.generation += 1
        for waiting in subscription.waiting:
            subscription.drop(waiting)
        subscription.acked.clear()

    def remove(self, channel: str, keep: int) -> None:
        """Remove the oldest events."""
        self.first[channel] = max(self.first[channel], len(self.log[channel]) - keep + 1)
        for event in self.log[channel][: self.first[channel] - 1]:
            if self.events.pop(event.id, None) is not None:
                self.removed[event.id] = event

"""The index of events that were written since the last checkpoint: in dictionaries and lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from lllm.store.rows import EventRow

__all__ = ["Place", "Postings", "Tail"]

Place: TypeAlias = tuple[int, int, int]
"""Where an event is in its segment: start and length in bytes, and the `zlib.crc32` of its text."""

Postings: TypeAlias = tuple[Sequence[int], Sequence[int]]
"""Cursors, ascending, and the ordinals of the events that have them."""


class Tail:
    """The events of a stretch of one segment. An event's ordinal is its place in the order of writing.

    Args:
        first: First position of the segment.
        generation: Generation of the segment.
        start: Where the stretch begins, in bytes.
    """

    def __init__(self, first: int, generation: int, start: int) -> None:
        self.first = first
        self.generation = generation
        self.start = start
        self.end = start
        self.places: list[Place | EventRow] = []
        self.channels: dict[str, tuple[list[int], list[int]]] = {}
        self.kinds: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
        self.ids: dict[str, int] = {}
        self.children: dict[str, list[int]] = {}
        self.correlations: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.places)

    def add(self, row: Sequence[Any], place: Place | EventRow) -> None:
        """Add an event.

        Args:
            row: Its id, cursor, channel, timestamp, kind and correlation id.
            place: Where it is: in the file, or, before it is committed, here.
        """
        event_id, cursor, channel, _, kind, correlation = row[:6]
        ordinal = len(self.places)
        self.places.append(place)
        self.ids[event_id] = ordinal
        of_channel = self.channels.get(channel)
        if of_channel is None:
            of_channel = self.channels[channel] = ([], [])
        of_kind = self.kinds.get((channel, kind))
        if of_kind is None:
            of_kind = self.kinds[channel, kind] = ([], [])
        for cursors, ordinals in (of_channel, of_kind):
            cursors.append(cursor)
            ordinals.append(ordinal)
        if correlation is not None:
            self.correlations.setdefault(correlation, []).append(ordinal)

    def link(self, parent: str, ordinal: int) -> None:
        """Note an event as the child of another.

        Args:
            parent: Id of the other.
            ordinal: The event.
        """
        self.children.setdefault(parent, []).append(ordinal)

    def take_back(self, count: int, links: Sequence[str]) -> None:
        """Undo everything after the first `count` events, none of which is committed.

        Args:
            count: How many events stay.
            links: Parents that were linked since, in order.
        """
        for parent in reversed(links):
            self.children[parent].pop()
        while len(self.places) > count:
            row: EventRow = self.places.pop()  # type: ignore[assignment]
            del self.ids[row[0]]
            for postings in (self.channels[row[2]], self.kinds[row[2], row[4]]):
                postings[0].pop()
                postings[1].pop()
            if row[5] is not None:
                self.correlations[row[5]].pop()

    def place(self, ordinal: int) -> Place | EventRow:
        """Return where an event is, or the event itself while it is not committed."""
        return self.places[ordinal]

    def postings(self, channel: str, kind: str | None) -> Postings | None:
        """Return the events of a channel, of one kind or of all."""
        return self.channels.get(channel) if kind is None else self.kinds.get((channel, kind))

    def by_channel(self) -> Iterator[tuple[str, Sequence[int]]]:
        """Yield every channel with its cursors."""
        for channel, (cursors, _) in self.channels.items():
            yield channel, cursors

    def identified(self, event_id: str) -> Sequence[int]:
        """Return the ordinals of events that may have an id."""
        ordinal = self.ids.get(event_id)
        return () if ordinal is None else (ordinal,)

    def linked(self, parent: str) -> Sequence[int]:
        """Return the ordinals of events that may have a parent."""
        return self.children.get(parent, ())

    def correlated(self, correlation: str) -> Sequence[int]:
        """Return the ordinals of events that may have a correlation id."""
        return self.correlations.get(correlation, ())

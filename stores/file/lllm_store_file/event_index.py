"""Channels and events: what is in memory is where they are; the events themselves stay in the log."""

from __future__ import annotations

import json
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from typing_extensions import override

from lllm.store.backend import DuplicateId, RemovedRow, Writer
from lllm.store.memory import DeliveryTables
from lllm.store.rows import EventRow
from lllm_store_file.runs import Run
from lllm_store_file.segments import Segments
from lllm_store_file.tail import Place, Tail

__all__ = ["EVENT", "EventIndex", "Part", "parents_of"]

Part: TypeAlias = Run | Tail
"""The index of a stretch of the log."""

EVENT = '["event",'
"""How an event begins in the log: its header and its body follow."""

_decode = json.JSONDecoder().raw_decode
_UNREADABLE = "!"
_PARENTS = 4


def parents_of(body: Sequence[Any]) -> Sequence[str]:
    """Return the ids of an event's parents.

    Args:
        body: The body of the event, decoded.
    """
    return body[_PARENTS] if len(body) > _PARENTS else ()


class EventIndex(DeliveryTables, Writer):
    """The primitives of `Writer` that concern channels and events.

    Removing events moves a floor: cursors at or below it are gone, and compaction drops their bytes later.

    Args:
        segments: Where the events are.

    Attributes:
        parts: The indexes of the whole log, in its order.
        floors: Cursor up to which the events of a channel are gone.
        shrunk: Whether events were removed that compaction has not looked at.
    """

    def __init__(self, segments: Segments) -> None:
        super().__init__()
        self.segments = segments
        self.parts: list[Part] = []
        self.floors: dict[str, int] = {}
        self.shrunk = False
        self._position = 0
        self._channels: dict[str, str] = {}
        self._heads: dict[str, int] = {}
        self._removed: dict[str, RemovedRow] = {}

    @property
    def tail(self) -> Tail:
        """Where events are added."""
        tail: Tail = self.parts[-1]  # type: ignore[assignment]
        return tail

    @override
    def last_position(self) -> int:
        return self._position

    @override
    def head(self, channel: str) -> int | None:
        return self._heads.get(channel, 0) if channel in self._channels else None

    @override
    def first_cursor(self, channel: str) -> int:
        for cursors, start, _, _ in self._stretches(channel, None, 0, None):
            return cursors[start]
        return self._heads.get(channel, 0) + 1

    @override
    def channel(self, name: str) -> str | None:
        return self._channels.get(name)

    @override
    def channels(self) -> list[str]:
        return [self._channels[name] for name in sorted(self._channels)]

    @override
    def put_channel(self, name: str, doc: str) -> None:
        self._set(self._channels, name, doc)
        if name not in self._heads:
            self._set(self._heads, name, 0)

    @override
    def drop_channel(self, name: str) -> None:
        self.shrunk = True
        self._set(self.floors, name, self._heads.get(name, 0))
        for row in self.subscriptions(name):
            self.delete_subscription(row.number)
        self.put_retention(name, None)
        self._delete(self._channels, name)

    @override
    def set_head(self, channel: str, head: int) -> None:
        self._set(self._heads, channel, max(head, self._heads.get(channel, 0)))

    @override
    def insert_events(self, rows: Sequence[EventRow], links: Sequence[tuple[str, int]]) -> None:
        ids = [row[0] for row in rows]
        if len(set(ids)) < len(ids) or any(each in self._removed or self._found(each) for each in ids):
            raise DuplicateId
        tail = self.tail
        count, position = len(tail), self._position
        parents = [parent for parent, _ in links]
        self.undo.append(lambda: tail.take_back(count, parents))
        self.undo.append(lambda: setattr(self, "_position", position))
        for row in rows:
            tail.add(row, row)
        for parent, place in links:
            tail.link(parent, count + place)
        for channel, cursor in {row[2]: row[1] for row in rows}.items():
            self._set(self._heads, channel, max(cursor, self._heads.get(channel, 0)))
        self._position = rows[-1][7]

    def restore(self, header: Sequence[Any], parents: Sequence[str], place: Place) -> None:
        """Take in an event that is in the log.

        Args:
            header: Its fields but the body, in the order of `EventRow`.
            parents: The ids of its parents.
            place: Where it is.
        """
        tail = self.tail
        ordinal = len(tail)
        tail.add(header, place)
        for parent in dict.fromkeys(parents):
            tail.link(parent, ordinal)
        self._heads[header[2]] = max(header[1], self._heads.get(header[2], 0))
        self._position = max(header[6], self._position)

    @override
    def remove_events(self, channel: str, through: int, removed: Sequence[RemovedRow]) -> None:
        self.shrunk = True
        self._set(self.floors, channel, max(through, self.floors.get(channel, 0)))
        for row in removed:
            self._set(self._removed, row[0], row)

    @override
    def forget_removed(self, before: float) -> None:
        for event_id in [row[0] for row in self._removed.values() if row[6] < before]:
            self._delete(self._removed, event_id)

    @override
    def removed_events(self, ids: Sequence[str]) -> dict[str, RemovedRow]:
        return {event_id: self._removed[event_id] for event_id in ids if event_id in self._removed}

    @override
    def events(
        self,
        channel: str,
        *,
        after: int = 0,
        before: int | None = None,
        kind: str | None = None,
        correlation_id: str | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[EventRow]:
        if correlation_id is None:
            return list(islice(self._selected(channel, after, before, kind, reverse=reverse), limit))
        rows = (
            row
            for row in self._matching("correlated", correlation_id, reverse=reverse)
            if row[2] == channel
            and row[5] == correlation_id
            and row[1] > after
            and (before is None or row[1] < before)
            and kind in {None, row[4]}
        )
        return list(islice(rows, limit))

    def _selected(
        self, channel: str, after: int, before: int | None, kind: str | None, *, reverse: bool
    ) -> Iterator[EventRow]:
        for cursors, start, stop, (part, ordinals) in self._stretches(
            channel, kind, after, before, reverse=reverse
        ):
            for place in range(stop - 1, start - 1, -1) if reverse else range(start, stop):
                row = self._row(part, ordinals[place])
                # An event whose bytes are damaged is shown as one that cannot be decoded.
                yield row or ("", cursors[place], channel, 0.0, kind or "event", None, _UNREADABLE, 0)

    def _stretches(
        self, channel: str, kind: str | None, after: int, before: int | None, *, reverse: bool = False
    ) -> Iterator[tuple[Sequence[int], int, int, tuple[Part, Sequence[int]]]]:
        """Yield, part by part, cursors with the first and last place that count, and where their events are."""
        after = max(after, self.floors.get(channel, 0))
        for part in reversed(self.parts) if reverse else self.parts:
            postings = part.postings(channel, kind)
            if postings is None:
                continue
            cursors, ordinals = postings
            start = bisect_right(cursors, after)
            stop = len(cursors) if before is None else bisect_left(cursors, before)
            if start < stop:
                yield cursors, start, stop, (part, ordinals)

    def _matching(self, table: str, name: str, *, reverse: bool = False) -> Iterator[EventRow]:
        """Yield the events that an index names, in append order; some may only share its 64 bits."""
        for part in reversed(self.parts) if reverse else self.parts:
            ordinals: Sequence[int] = getattr(part, table)(name)
            for ordinal in reversed(ordinals) if reverse else ordinals:
                row = self._row(part, ordinal)
                if row is not None and row[1] > self.floors.get(row[2], 0):
                    yield row

    def _found(self, event_id: str) -> EventRow | None:
        damaged: EventRow | None = None
        for part in reversed(self.parts):
            for ordinal in reversed(part.identified(event_id)):
                row = self._row(part, ordinal)
                if row is None:
                    damaged = (event_id, 0, "", 0.0, "event", None, _UNREADABLE, 0)
                elif row[0] == event_id and row[1] > self.floors.get(row[2], 0):
                    return row
        return damaged

    def _row(self, part: Part, ordinal: int) -> EventRow | None:
        place = part.place(ordinal)
        if len(place) != 3:
            return place
        start, length, checksum = place
        data = self.segments.read(part.first, part.generation, start, length)
        if zlib.crc32(data) != checksum:
            return None
        text = data.decode("ascii")
        header, end = _decode(text, len(EVENT))
        event_id, cursor, channel, timestamp, kind, correlation, position = header
        return event_id, cursor, channel, timestamp, kind, correlation, text[end + 1 : -1], position

    @override
    def find_events(self, ids: Sequence[str]) -> dict[str, EventRow]:
        return {event_id: row for event_id in ids if (row := self._found(event_id)) is not None}

    @override
    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        return {event_id: row[7] for event_id, row in self.find_events(ids).items()}

    @override
    def children(self, event_id: str, *, after: int = 0, limit: int) -> list[EventRow]:
        rows = (
            row
            for row in self._matching("linked", event_id)
            if row[7] > after and event_id in parents_of(json.loads(row[6]))
        )
        return list(islice(rows, limit))

    @override
    def correlated(self, correlation_id: str, *, after: int = 0, limit: int) -> list[EventRow]:
        rows = (
            row
            for row in self._matching("correlated", correlation_id)
            if row[7] > after and row[5] == correlation_id
        )
        return list(islice(rows, limit))

    @override
    def count_events(self, channel: str, *, kind: str | None = None, after: int = 0) -> int:
        return sum(stop - start for _, start, stop, _ in self._stretches(channel, kind, after, None))

"""The events of one channel in memory, with the indexes that reading needs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from lllm.store.rows import EventRow

__all__ = ["ChannelLog"]


class ChannelLog:
    """Rows by cursor, and the cursors of every kind."""

    def __init__(self) -> None:
        self.head = 0
        self.rows: dict[int, EventRow] = {}
        self.cursors: list[int] = []
        self.kinds: dict[str, list[int]] = {}

    def add(self, row: EventRow) -> None:
        """Append a row whose cursor is above all others."""
        self.head = cursor = row[1]
        self.rows[cursor] = row
        self.cursors.append(cursor)
        self.kinds.setdefault(row[4], []).append(cursor)

    def take_back(self, row: EventRow, head: int) -> None:
        """Undo the newest `add`."""
        self.head = head
        del self.rows[row[1]]
        self.cursors.pop()
        self.kinds[row[4]].pop()

    def drop_through(self, cursor: int) -> list[EventRow]:
        """Remove the rows up to a cursor and return them."""
        count = bisect_right(self.cursors, cursor)
        removed = [self.rows.pop(each) for each in self.cursors[:count]]
        del self.cursors[:count]
        for kind in {row[4] for row in removed}:
            cursors = self.kinds[kind]
            del cursors[: bisect_right(cursors, cursor)]
        return removed

    def put_back(self, removed: list[EventRow]) -> None:
        """Undo `drop_through`."""
        self.rows.update((row[1], row) for row in removed)
        self.cursors[:0] = [row[1] for row in removed]
        for kind in {row[4] for row in removed}:
            self.kinds[kind][:0] = [row[1] for row in removed if row[4] == kind]

    def select(
        self, *, after: int, before: int | None, kind: str | None, reverse: bool = False
    ) -> Iterator[EventRow]:
        """Iterate over rows between two cursors."""
        cursors = self.cursors if kind is None else self.kinds.get(kind, [])
        start = bisect_right(cursors, after)
        stop = len(cursors) if before is None else bisect_left(cursors, before)
        places: Iterable[int] = range(stop - 1, start - 1, -1) if reverse else range(start, stop)
        return (self.rows[cursors[place]] for place in places)

    def count(self, *, after: int, kind: str | None) -> int:
        """Count the rows above a cursor."""
        cursors = self.cursors if kind is None else self.kinds.get(kind, [])
        return len(cursors) - bisect_right(cursors, after)

"""Channels and their events in dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from typing_extensions import override

from lllm.store.backend import DuplicateId, RemovedRow, Writer
from lllm.store.memory.channel_log import ChannelLog
from lllm.store.memory.undo import Undoable
from lllm.store.rows import EventRow

__all__ = ["EventTables"]


class EventTables(Undoable, Writer):
    """The primitives of `Writer` that concern channels and events."""

    def __init__(self) -> None:
        super().__init__()
        self._position = 0
        self._channels: dict[str, str] = {}
        self._logs: dict[str, ChannelLog] = {}
        self._events: dict[str, EventRow] = {}
        self._children: dict[str, list[EventRow]] = {}
        self._correlated: dict[str, list[EventRow]] = {}
        self._removed: dict[str, RemovedRow] = {}

    @override
    def last_position(self) -> int:
        return self._position

    @override
    def head(self, channel: str) -> int | None:
        return self._logs[channel].head if channel in self._channels else None

    @override
    def first_cursor(self, channel: str) -> int:
        log = self._logs[channel]
        return log.cursors[0] if log.cursors else log.head + 1

    @override
    def channel(self, name: str) -> str | None:
        return self._channels.get(name)

    @override
    def channels(self) -> list[str]:
        return [self._channels[name] for name in sorted(self._channels)]

    @override
    def put_channel(self, name: str, doc: str) -> None:
        self._set(self._channels, name, doc)
        if name not in self._logs:
            self._set(self._logs, name, ChannelLog())

    @override
    def drop_channel(self, name: str) -> None:
        self._drop_events(name, self._logs[name].head)
        for row in self.subscriptions(name):
            self.delete_subscription(row.number)
        self.put_retention(name, None)
        self._delete(self._channels, name)

    @override
    def set_head(self, channel: str, head: int) -> None:
        log = self._logs[channel]
        old = log.head
        self.undo.append(lambda: setattr(log, "head", old))
        log.head = max(head, old)

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
        log = self._logs.get(channel)
        if log is None:
            return []
        rows = log.select(after=after, before=before, kind=kind, reverse=reverse)
        if correlation_id is not None:
            rows = (row for row in rows if row[5] == correlation_id)
        return list(islice(rows, limit))

    @override
    def find_events(self, ids: Sequence[str]) -> dict[str, EventRow]:
        return {event_id: self._events[event_id] for event_id in ids if event_id in self._events}

    @override
    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        return {event_id: self._events[event_id][7] for event_id in ids if event_id in self._events}

    @override
    def children(self, event_id: str, *, after: int = 0, limit: int) -> list[EventRow]:
        rows = (row for row in self._children.get(event_id, ()) if row[7] > after)
        return list(islice(rows, limit))

    @override
    def correlated(self, correlation_id: str, *, after: int = 0, limit: int) -> list[EventRow]:
        rows = (row for row in self._correlated.get(correlation_id, ()) if row[7] > after)
        return list(islice(rows, limit))

    @override
    def count_events(self, channel: str, *, kind: str | None = None, after: int = 0) -> int:
        return self._logs[channel].count(after=after, kind=kind)

    @override
    def removed_events(self, ids: Sequence[str]) -> dict[str, RemovedRow]:
        return {event_id: self._removed[event_id] for event_id in ids if event_id in self._removed}

    @override
    def insert_events(self, rows: Sequence[EventRow], links: Sequence[tuple[str, int]]) -> None:
        ids = {row[0] for row in rows}
        if len(ids) < len(rows) or not ids.isdisjoint(self._events) or not ids.isdisjoint(self._removed):
            raise DuplicateId
        old = self._position
        self.undo.append(lambda: setattr(self, "_position", old))
        self._position = rows[-1][7]
        for row in rows:
            self._insert(row)
        for parent, place in links:
            family = self._children.setdefault(parent, [])
            family.append(rows[place])
            self.undo.append(family.pop)

    def _insert(self, row: EventRow) -> None:
        log = self._logs[row[2]]
        head = log.head
        log.add(row)
        self.undo.append(lambda: log.take_back(row, head))
        self._set(self._events, row[0], row)
        if row[5] is not None:
            episode = self._correlated.setdefault(row[5], [])
            episode.append(row)
            self.undo.append(episode.pop)

    @override
    def remove_events(self, channel: str, through: int, removed: Sequence[RemovedRow]) -> None:
        self._drop_events(channel, through)
        for row in removed:
            self._set(self._removed, row[0], row)

    def _drop_events(self, channel: str, through: int) -> None:
        log = self._logs[channel]
        rows = log.drop_through(through)
        self.undo.append(lambda: log.put_back(rows))
        gone = {row[0] for row in rows}
        for row in rows:
            self._delete(self._events, row[0])
            self._delete(self._children, row[0])
        for table in (self._children, self._correlated):
            for key, members in list(table.items()):
                kept = [row for row in members if row[0] not in gone]
                if len(kept) < len(members):
                    self._set(table, key, kept)

    @override
    def forget_removed(self, before: float) -> None:
        for event_id in [row[0] for row in self._removed.values() if row[6] < before]:
            self._delete(self._removed, event_id)

"""Appending events and removing them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

from lllm.store.backend import DuplicateId, RemovedRow
from lllm.store.rows import EventRow
from lllm_store_sqlite.event_rows import COLUMNS, record_of
from lllm_store_sqlite.events import EventReads
from lllm_store_sqlite.ids import pack_id
from lllm_store_sqlite.recent import Recent
from lllm_store_sqlite.tables import marks

__all__ = ["EventWrites"]

_MOST_RECENT = 128
_MOST_POSITIONS = 20_000
_SMALL_BATCH = 16
_SMALL_BODIES = 16_384
_ROWS_PER_INSERT = 100
_VALUES = f"({marks(COLUMNS.count(',') + 1)})"
_INSERT_RECENT = f"""
INSERT INTO recent({COLUMNS}) SELECT {_VALUES[1:-1]} WHERE NOT EXISTS (SELECT 1 FROM events WHERE id = ?4)
"""
_INSERT = f"INSERT OR FAIL INTO events({COLUMNS}) VALUES "
_INSERT_ONE = _INSERT + _VALUES
_INSERT_MANY = _INSERT + ",".join([_VALUES] * _ROWS_PER_INSERT)
_MOVE_RECENT = f"INSERT INTO events({COLUMNS}) SELECT {COLUMNS} FROM recent ORDER BY position"
_LINK = "INSERT OR IGNORE INTO links(parent, child) VALUES (?, ?)"


class EventWrites(EventReads):
    """Appending events and removing them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._version: int | None = None
        self._position: int | None = None
        self._heads: dict[str, int] = {}
        self._recent: Recent | None = None
        # Of events that were read here, because what is leased is soon the parent of something.
        self._positions: dict[str, int] = {}
        self._remembers_removed = True

    def begin(self) -> None:
        """Start a transaction, and keep what is known of heads if nobody else has committed since."""
        self.execute("BEGIN IMMEDIATE")
        (version,) = self.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self.forget()
            self._version = version

    def forget(self) -> None:
        """Drop what is remembered of the tables, after somebody else or a rollback has changed them."""
        super().forget()
        self._position = None
        self._heads.clear()
        self._recent = None
        self._positions.clear()
        self._remembers_removed = True

    def last_position(self) -> int:
        """Return the position of the newest event ever appended, 0 when none was."""
        if self._position is None:
            self._position = super().last_position()
        return self._position

    def events(self, channel: str, **wanted: Any) -> list[EventRow]:
        """Return events of a channel between two cursors, and remember their positions."""
        rows = super().events(channel, **wanted)
        self._note_positions({row[0]: row[7] for row in rows})
        return rows

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the positions of the events with these ids, by id; missing ones are left out."""
        known = self._positions
        unknown = [event_id for event_id in ids if event_id not in known]
        found = {event_id: known[event_id] for event_id in ids if event_id in known} if known else {}
        if unknown:
            read = self._unknown_positions(unknown)
            self._note_positions(read)
            found.update(read)
        return found

    def _unknown_positions(self, ids: Sequence[str]) -> dict[str, int]:
        known = self._known_recent().positions
        recent = {event_id: known[packed] for event_id in ids if (packed := pack_id(event_id)) in known}
        indexed = [event_id for event_id in ids if event_id not in recent] if recent else ids
        return {**recent, **self._positions_in("events", indexed)} if indexed else recent

    def _note_positions(self, positions: dict[str, int]) -> None:
        if len(self._positions) > _MOST_POSITIONS:
            self._positions.clear()
        self._positions.update(positions)

    def _tables(self, channel: int | None, after: int) -> tuple[bool, bool]:
        first = self._known_recent().first_cursors.get(channel or 0)
        return first is None or after < first - 1, first is not None

    def head(self, channel: str) -> int | None:
        """Return the cursor of the newest event ever appended to a channel, None without the channel."""
        head = self._heads.get(channel)
        if head is None:
            head = super().head(channel)
            if head is not None:
                self._heads[channel] = head
        return head

    def insert_events(self, rows: Sequence[EventRow], links: Sequence[tuple[str, int]]) -> None:
        """Store events that have their cursors and positions.

        Args:
            rows: The events, in append order.
            links: Parent id and index into `rows`, for each parent of each event.

        Raises:
            DuplicateId: An id is stored already, or remembered as removed; nothing of this call is left.
        """
        records = [record_of(row, self._known_number(row[2])) for row in rows]
        if self._remembers_removed:
            self._refuse_removed(rows)
        if len(records) <= _SMALL_BATCH and sum([len(record[8]) for record in records]) <= _SMALL_BODIES:
            self._insert_recent(records)
        else:
            self._insert_indexed(records)
        for row in rows:
            self._heads[row[2]] = row[1]
        self._position = rows[-1][7]
        if links:
            self._link(rows, links)

    def _link(self, rows: Sequence[EventRow], links: Sequence[tuple[str, int]]) -> None:
        positions = self.positions([parent for parent, _ in links])
        pairs = [(positions[parent], rows[child][7]) for parent, child in links if parent in positions]
        if len(pairs) == 1:
            self.execute(_LINK, pairs[0])
        else:
            self.connection.executemany(_LINK, pairs)

    def _known_number(self, channel: str) -> int:
        number = self._numbers.get(channel) or self.number_of(channel)
        if number is None:
            raise LookupError(channel)
        return number

    def _refuse_removed(self, rows: Sequence[EventRow]) -> None:
        self._remembers_removed = self.execute("SELECT 1 FROM removed LIMIT 1").fetchone() is not None
        if self._remembers_removed and self.removed_events([row[0] for row in rows]):
            raise DuplicateId

    def _known_recent(self) -> Recent:
        if self._recent is None:
            self._recent = Recent(self.connection)
        return self._recent

    def _insert_recent(self, records: list[tuple[Any, ...]]) -> None:
        execute = self.execute
        recent = self._known_recent()
        if len(recent.positions) + len(records) > _MOST_RECENT:
            self._move_recent()
        for record in records:
            if record[3] in recent.positions or not execute(_INSERT_RECENT, record).rowcount:
                self._recent = None
                execute("DELETE FROM recent WHERE position >= ?", (records[0][0],))
                raise DuplicateId
            recent.add(record)

    def _move_recent(self) -> None:
        """Give the recent events their indexes; in one go, that costs a third less than one by one."""
        recent = self._known_recent()
        if recent.positions:
            self.execute(_MOVE_RECENT)
            self.execute("DELETE FROM recent")
            recent.clear()

    def _insert_indexed(self, records: list[tuple[Any, ...]]) -> None:
        execute = self.execute
        self._move_recent()
        execute("SAVEPOINT batch")
        try:
            whole = len(records) - len(records) % _ROWS_PER_INSERT
            # One statement for a hundred rows costs a third less than a hundred runs of one.
            for start in range(0, whole, _ROWS_PER_INSERT):
                execute(_INSERT_MANY, tuple(chain.from_iterable(records[start : start + _ROWS_PER_INSERT])))
            if whole < len(records):
                self.connection.executemany(_INSERT_ONE, records[whole:])
        except sqlite3.IntegrityError as error:
            execute("ROLLBACK TO batch")
            if str(error).endswith("events.id"):
                raise DuplicateId from error
            raise
        finally:
            if self.connection.in_transaction:
                execute("RELEASE batch")

    def remove_events(self, channel: str, through: int, removed: Sequence[RemovedRow]) -> None:
        """Drop the oldest events of a channel and remember their ids.

        Args:
            channel: Name of the channel.
            through: Cursor of the last event to drop.
            removed: What to remember of each.
        """
        number = self.number_of(channel)
        self._move_recent()
        self._keep_counters(number)
        self._remembers_removed = True
        self._positions.clear()
        self.connection.executemany(
            "INSERT OR REPLACE INTO removed VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((pack_id(row[0]), number, *row[2:]) for row in removed),
        )
        self.execute(
            """DELETE FROM links WHERE parent IN
            (SELECT position FROM events WHERE channel = ? AND cursor <= ?)""",
            (number, through),
        )
        self.execute("DELETE FROM events WHERE channel = ? AND cursor <= ?", (number, through))

    def _keep_counters(self, channel: int | None) -> None:
        """Write down what would be forgotten with the newest event."""
        self.execute("INSERT OR REPLACE INTO meta VALUES ('position', ?)", (self.last_position(),))
        self.execute(
            """UPDATE channels SET head = max(head, ifnull(
            (SELECT max(cursor) FROM events WHERE channel = number), 0)) WHERE number = ?""",
            (channel,),
        )

    def forget_removed(self, before: float) -> None:
        """Forget events that were removed before a unix time."""
        self.execute("DELETE FROM removed WHERE removed_at < ?", (before,))

    def set_head(self, channel: str, head: int) -> None:
        """Raise the head of a channel to a cursor, for events that are not here."""
        self._heads.pop(channel, None)
        self.execute("UPDATE channels SET head = max(head, ?) WHERE name = ?", (head, channel))

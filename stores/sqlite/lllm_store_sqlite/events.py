"""Reading events: by cursor, id, parent and correlation.

New events stand in the table `recent` for a while, which has no indexes, so that an append writes one page
instead of four; some of them at once then move to `events`. A position in `recent` is above every position
in `events`, so each query asks the one and then the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lllm.store.backend import RemovedRow
from lllm.store.rows import EventRow
from lllm_store_sqlite.event_rows import READ_COLUMNS, row_of_record
from lllm_store_sqlite.ids import pack_id, unpack_id
from lllm_store_sqlite.tables import Tables, chunks, marks

__all__ = ["EventReads"]

_HEAD = """
SELECT max(head, ifnull((SELECT max(cursor) FROM events WHERE channel = number), 0),
           ifnull((SELECT max(cursor) FROM recent WHERE channel = number), 0))
FROM channels WHERE name = ? AND document IS NOT NULL
"""
_FIRST_CURSOR = """
SELECT ifnull((SELECT min(cursor) FROM events WHERE channel = ?1),
              (SELECT min(cursor) FROM recent WHERE channel = ?1))
"""
_LAST_POSITION = """
SELECT max(ifnull((SELECT max(position) FROM events), 0), ifnull((SELECT max(position) FROM recent), 0),
           ifnull((SELECT value FROM meta WHERE key = 'position'), 0))
"""


class EventReads(Tables):
    """Reading events, by cursor, id, parent and correlation."""

    def last_position(self) -> int:
        """Return the position of the newest event ever appended, 0 when none was."""
        return int(self.execute(_LAST_POSITION).fetchone()[0])

    def head(self, channel: str) -> int | None:
        """Return the cursor of the newest event ever appended to a channel, None without the channel."""
        found = self.execute(_HEAD, (channel,)).fetchone()
        return None if found is None else int(found[0])

    def first_cursor(self, channel: str) -> int:
        """Return the cursor of the oldest kept event of a channel, one above its head when none is kept."""
        found = self.execute(_FIRST_CURSOR, (self.number_of(channel),)).fetchone()[0]
        return int(found) if found is not None else (self.head(channel) or 0) + 1

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
        """Return events of a channel between two cursors, both excluded.

        Args:
            channel: Name of the channel.
            after: Cursor below the first.
            before: Cursor above the last, None for no bound.
            kind: Only events of this kind.
            correlation_id: Only events with this correlation id.
            limit: Most events.
            reverse: Newest first.
        """
        number = self.number_of(channel)
        clauses = ["channel = ?", "cursor > ?"]
        wanted: list[Any] = [number, after]
        if before is not None:
            clauses.append("cursor < ?")
            wanted.append(before)
        index = "events_by_cursor"
        if kind is not None:
            index = "events_by_kind"
            clauses.append("kind = ?")
            wanted.append(kind)
        if correlation_id is not None:
            # An episode is shorter than a channel, and its positions ascend with the cursors.
            index = "events_by_correlation"
            clauses.append("correlation = ?")
            wanted.append(pack_id(correlation_id))
        where = " AND ".join(clauses)
        order = "position" if correlation_id is not None else "cursor"
        tables = self._tables(number, after)
        source = f"events INDEXED BY {index}"
        return self._both(where, wanted, limit, source=source, order=order, reverse=reverse, tables=tables)

    def _tables(self, channel: int | None, after: int) -> tuple[bool, bool]:
        """Tell whether events of a channel above a cursor may be indexed, and whether they may be recent."""
        return True, True

    def find_events(self, ids: Sequence[str]) -> dict[str, EventRow]:
        """Return the events with these ids, by id; missing ones are left out."""
        found: dict[str, EventRow] = {}
        for chunk in chunks(ids):
            rows = self._both(
                f"id IN ({marks(len(chunk))})", [pack_id(event_id) for event_id in chunk], len(chunk)
            )
            found.update((row[0], row) for row in rows)
        return found

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the positions of the events with these ids, by id; missing ones are left out."""
        return {**self._positions_in("events", ids), **self._positions_in("recent", ids)}

    def _positions_in(self, table: str, ids: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for chunk in chunks(ids):
            packed = [pack_id(event_id) for event_id in chunk]
            known = dict(
                self.execute(
                    f"SELECT id, position FROM {table} WHERE id IN ({marks(len(packed))})", packed
                ).fetchall()
            )
            found.update((name, known[key]) for name, key in zip(chunk, packed, strict=True) if key in known)
        return found

    def children(self, event_id: str, *, after: int = 0, limit: int) -> list[EventRow]:
        """Return the events that name an event as parent, in append order above a position."""
        found = self.positions((event_id,))
        if not found:
            return []
        children = (
            "position IN (SELECT child FROM links WHERE parent = ? AND child > ? ORDER BY child LIMIT ?)"
        )
        return self._both(children, [found[event_id], after, limit], limit)

    def correlated(self, correlation_id: str, *, after: int = 0, limit: int) -> list[EventRow]:
        """Return the events of all channels with a correlation id, in append order above a position."""
        return self._both("correlation = ? AND position > ?", [pack_id(correlation_id), after], limit)

    def count_events(self, channel: str, *, kind: str | None = None, after: int = 0) -> int:
        """Return how many events of a channel, and of a kind, are kept above a cursor."""
        where, values = "channel = ? AND cursor > ?", [self.number_of(channel), after]
        wanted: list[Any] = list(values)
        if kind is not None:
            where += " AND kind = ?"
            wanted.append(kind)
        counts = [
            self.execute(f"SELECT count(*) FROM {table} WHERE {where}", wanted).fetchone()[0]
            for table in ("events", "recent")
        ]
        return sum(counts)

    def removed_events(self, ids: Sequence[str]) -> dict[str, RemovedRow]:
        """Return what is remembered of removed events with these ids, by id."""
        found: dict[str, RemovedRow] = {}
        for chunk in chunks(ids):
            for event_id, channel, *rest in self.execute(
                f"""SELECT id, channel, cursor, timestamp, position, digest, removed_at
                FROM removed WHERE id IN ({marks(len(chunk))})""",
                [pack_id(event_id) for event_id in chunk],
            ):
                name = unpack_id(event_id)
                found[name] = (name, self.name_of(channel), *rest)
        return found

    def _both(
        self,
        where: str,
        values: Sequence[Any],
        limit: int,
        *,
        source: str = "events",
        order: str = "position",
        reverse: bool = False,
        tables: tuple[bool, bool] = (True, True),
    ) -> list[EventRow]:
        """Return rows of both tables, up to a limit, in ascending or descending order."""
        direction = "DESC" if reverse else "ASC"
        rows: list[EventRow] = []
        sources = ((source, order, tables[0]), ("recent", "position", tables[1]))
        for table, key, wanted in reversed(sources) if reverse else sources:
            if wanted and len(rows) < limit:
                records = self.execute(
                    f"SELECT {READ_COLUMNS} FROM {table} WHERE {where} ORDER BY {key} {direction} LIMIT ?",
                    (*values, limit - len(rows)),
                )
                names = self._names
                rows.extend(
                    [
                        row_of_record(record, names.get(record[1]) or self.name_of(record[1]))
                        for record in records
                    ]
                )
        return rows

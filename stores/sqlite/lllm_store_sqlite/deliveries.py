"""The deliveries of subscriptions: what each one waits for, and how late attempts ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from math import inf

from lllm.store.backend import WaitingRow
from lllm_store_sqlite.tables import Tables, chunks, marks, runs

__all__ = ["DeliveryReads", "DeliveryWrites"]

_WAITING = "cursor, attempt, due, leased, error"
_PUT_WAITING = f"INSERT OR REPLACE INTO deliveries(subscription, {_WAITING}) VALUES (?, ?, ?, ?, ?, ?)"
# The row with the cursor 0 is the state of the subscription itself.
_OF_SUBSCRIPTION = "FROM deliveries WHERE subscription = ? AND cursor > 0"
_MOST_REMEMBERED = 20_000


class DeliveryReads(Tables):
    """Reading what subscriptions wait for."""

    def waiting(self, number: int, cursors: Sequence[int]) -> dict[int, WaitingRow]:
        """Return what a subscription waits for at these cursors, by cursor."""
        if len(cursors) == 1:
            found = self.execute(f"SELECT {_WAITING} {_OF_SUBSCRIPTION} AND cursor = ?", (number, cursors[0]))
            return {row[0]: row for row in found}
        rows: dict[int, WaitingRow] = {}
        for chunk in chunks(cursors):
            found = self.execute(
                f"SELECT {_WAITING} {_OF_SUBSCRIPTION} AND cursor IN ({marks(len(chunk))})",
                (number, *chunk),
            )
            rows.update((row[0], row) for row in found)
        return rows

    def due(self, number: int, *, now: float, limit: int) -> list[WaitingRow]:
        """Return what is due at a unix time, by cursor."""
        return self.execute(
            f"SELECT {_WAITING} {_OF_SUBSCRIPTION} AND due <= ? ORDER BY cursor LIMIT ?",
            (number, now, limit),
        ).fetchall()

    def first_waiting(self, number: int) -> int | None:
        """Return the lowest cursor that a subscription waits for."""
        found = self.execute(f"SELECT min(cursor) {_OF_SUBSCRIPTION}", (number,)).fetchone()[0]
        return None if found is None else int(found)

    def next_due(self, number: int) -> float | None:
        """Return the unix time at which the next waiting event is due."""
        found = self.execute(f"SELECT min(due) {_OF_SUBSCRIPTION}", (number,)).fetchone()[0]
        return None if found is None else float(found)

    def waiting_counts(self, number: int) -> tuple[int, int]:
        """Return how many events are leased, and how many are delayed."""
        total, leased = self.execute(
            f"SELECT count(*), ifnull(sum(leased), 0) {_OF_SUBSCRIPTION}", (number,)
        ).fetchone()
        return leased, total - leased

    def outcomes(self, number: int, cursors: Sequence[int]) -> dict[int, int]:
        """Return which attempt finished each of these cursors, where that is remembered."""
        found: dict[int, int] = {}
        for chunk in chunks(cursors):
            found.update(
                self.execute(
                    f"""SELECT cursor, attempt FROM outcomes
                    WHERE subscription = ? AND cursor IN ({marks(len(chunk))})""",
                    (number, *chunk),
                )
            )
        return found


class DeliveryWrites(DeliveryReads):
    """Changing what subscriptions wait for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        # No waiting event of a subscription is due before this.
        self._due_from: dict[int, float] = {}
        # What this writer has stored itself: most deliveries are finished by the process that leased them.
        self._stored: dict[tuple[int, int], WaitingRow] = {}

    def forget(self) -> None:
        """Drop what is remembered of the tables, after somebody else or a rollback has changed them."""
        super().forget()
        self._due_from.clear()
        self._stored.clear()

    def waiting(self, number: int, cursors: Sequence[int]) -> dict[int, WaitingRow]:
        """Return what a subscription waits for at these cursors, by cursor."""
        stored = self._stored
        rows = {cursor: row for cursor in cursors if (row := stored.get((number, cursor)))}
        if len(rows) < len(cursors):
            rows.update(super().waiting(number, [cursor for cursor in cursors if cursor not in rows]))
        return rows

    def due(self, number: int, *, now: float, limit: int) -> list[WaitingRow]:
        """Return what is due at a unix time, by cursor."""
        if now < self._due_from.get(number, 0.0):
            return []
        rows = super().due(number, now=now, limit=limit)
        if not rows:
            following = self.next_due(number)
            self._due_from[number] = inf if following is None else following
        return rows

    def put_waiting(self, number: int, rows: Sequence[WaitingRow]) -> None:
        """Store what a subscription waits for, in place of what it had at the same cursors."""
        if number in self._due_from:
            self._due_from[number] = min([self._due_from[number], *[row[2] for row in rows]])
        if len(self._stored) > _MOST_REMEMBERED:
            self._stored.clear()
        self._stored.update({(number, row[0]): row for row in rows})
        if len(rows) == 1:
            self.execute(_PUT_WAITING, (number, *rows[0]))
        else:
            self.connection.executemany(_PUT_WAITING, [(number, *row) for row in rows])

    def drop_waiting(self, number: int, cursors: Sequence[int]) -> None:
        """Drop what a subscription waits for at these cursors."""
        for cursor in cursors:
            self._stored.pop((number, cursor), None)
        for first, last in runs(cursors):
            self.execute(f"DELETE {_OF_SUBSCRIPTION} AND cursor BETWEEN ? AND ?", (number, first, last))

    def clear_waiting(self, number: int) -> None:
        """Drop everything that a subscription waits for, and what is remembered of how it ended."""
        self._stored.clear()
        self.execute(f"DELETE {_OF_SUBSCRIPTION}", (number,))
        self.execute("DELETE FROM outcomes WHERE subscription = ?", (number,))

    def put_outcomes(self, number: int, rows: Sequence[tuple[int, int, float]]) -> None:
        """Remember how cursors ended.

        Args:
            number: Number of the subscription.
            rows: Cursor, attempt that finished it, and unix time, of each.
        """
        self.connection.executemany(
            "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)", [(number, *row) for row in rows]
        )

    def forget_outcomes(self, before: float) -> None:
        """Forget what ended before a unix time."""
        self.execute("DELETE FROM outcomes WHERE finished_at < ?", (before,))

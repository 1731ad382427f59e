"""The subscription tables: where each reader stands, what it holds, and how late attempts ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from math import inf
from typing import Any

from lllm.store.backend import SubscriptionRow, WaitingRow
from lllm_store_sqlite.tables import Tables, chunks, marks

__all__ = ["SubscriptionReads", "SubscriptionWrites"]

_COLUMNS = "number, id, channel, kind, document, cursor, handed, waiting, dead_lettered, secret"
_WAITING = "cursor, attempt, due, leased, error"
_PUT_WAITING = f"INSERT OR REPLACE INTO waiting(subscription, {_WAITING}) VALUES (?, ?, ?, ?, ?, ?)"
_MOST_REMEMBERED = 1000


class SubscriptionReads(Tables):
    """Reading subscriptions and what they wait for."""

    def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        """Return the subscription with an id."""
        found = self.execute(
            f"SELECT {_COLUMNS} FROM subscriptions WHERE id = ?", (subscription_id,)
        ).fetchone()
        return None if found is None else self._subscription(found)

    def subscription_numbered(self, number: int) -> SubscriptionRow | None:
        """Return the subscription with a number."""
        found = self.execute(f"SELECT {_COLUMNS} FROM subscriptions WHERE number = ?", (number,)).fetchone()
        return None if found is None else self._subscription(found)

    def subscriptions(self, channel: str | None = None) -> list[SubscriptionRow]:
        """Return the subscriptions of a channel, or all, by id."""
        if channel is None:
            found = self.execute(f"SELECT {_COLUMNS} FROM subscriptions ORDER BY id")
        else:
            found = self.execute(
                f"SELECT {_COLUMNS} FROM subscriptions WHERE channel = ? ORDER BY id",
                (self.number_of(channel),),
            )
        return [self._subscription(record) for record in found.fetchall()]

    def _subscription(self, record: tuple[Any, ...]) -> SubscriptionRow:
        number, name, channel, *rest = record
        return SubscriptionRow(number, name, self.name_of(channel), *rest)

    def waiting(self, number: int, cursors: Sequence[int]) -> dict[int, WaitingRow]:
        """Return what a subscription waits for at these cursors, by cursor."""
        if len(cursors) == 1:
            found = self.execute(
                f"SELECT {_WAITING} FROM waiting WHERE subscription = ? AND cursor = ?", (number, cursors[0])
            )
            return {row[0]: row for row in found}
        rows: dict[int, WaitingRow] = {}
        for chunk in chunks(cursors):
            found = self.execute(
                f"SELECT {_WAITING} FROM waiting WHERE subscription = ? AND cursor IN ({marks(len(chunk))})",
                (number, *chunk),
            )
            rows.update((row[0], row) for row in found)
        return rows

    def due(self, number: int, *, now: float, limit: int) -> list[WaitingRow]:
        """Return what is due at a unix time, by cursor."""
        return self.execute(
            f"SELECT {_WAITING} FROM waiting WHERE subscription = ? AND due <= ? ORDER BY cursor LIMIT ?",
            (number, now, limit),
        ).fetchall()

    def first_waiting(self, number: int) -> int | None:
        """Return the lowest cursor that a subscription waits for."""
        found = self.execute("SELECT min(cursor) FROM waiting WHERE subscription = ?", (number,)).fetchone()[
            0
        ]
        return None if found is None else int(found)

    def next_due(self, number: int) -> float | None:
        """Return the unix time at which the next waiting event is due."""
        found = self.execute("SELECT min(due) FROM waiting WHERE subscription = ?", (number,)).fetchone()[0]
        return None if found is None else float(found)

    def waiting_counts(self, number: int) -> tuple[int, int]:
        """Return how many events are leased, and how many are delayed."""
        total, leased = self.execute(
            "SELECT count(*), ifnull(sum(leased), 0) FROM waiting WHERE subscription = ?", (number,)
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


class SubscriptionWrites(SubscriptionReads):
    """Changing subscriptions and what they wait for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._rows: dict[str | int, SubscriptionRow] = {}
        # No waiting event of a subscription is due before this.
        self._due_from: dict[int, float] = {}

    def forget(self) -> None:
        """Drop what is remembered of the tables, after somebody else or a rollback has changed them."""
        super().forget()
        self._rows.clear()
        self._due_from.clear()

    def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        """Return the subscription with an id."""
        return self._rows.get(subscription_id) or self._remember(super().subscription(subscription_id))

    def subscription_numbered(self, number: int) -> SubscriptionRow | None:
        """Return the subscription with a number."""
        return self._rows.get(number) or self._remember(super().subscription_numbered(number))

    def _remember(self, row: SubscriptionRow | None) -> SubscriptionRow | None:
        if row is not None:
            if len(self._rows) >= _MOST_REMEMBERED:
                self._rows.clear()
            self._rows[row.id] = self._rows[row.number] = row
        return row

    def due(self, number: int, *, now: float, limit: int) -> list[WaitingRow]:
        """Return what is due at a unix time, by cursor."""
        if now < self._due_from.get(number, 0.0):
            return []
        rows = super().due(number, now=now, limit=limit)
        if not rows:
            following = self.next_due(number)
            self._due_from[number] = inf if following is None else following
        return rows

    def add_subscription(self, row: SubscriptionRow) -> int:
        """Store a new subscription.

        Args:
            row: The subscription; its number is ignored.

        Returns:
            Its number, which no other subscription had or will have.
        """
        values = (row.id, self.number_of(row.channel), *row[3:])
        cursor = self.execute(
            f"""INSERT INTO subscriptions({_COLUMNS.removeprefix("number, ")})
            VALUES ({marks(len(values))})""",
            values,
        )
        return int(cursor.lastrowid or 0)

    def save_subscription(self, row: SubscriptionRow) -> None:
        """Replace what is stored of a subscription.

        Args:
            row: The subscription, with its number.
        """
        self._remember(row)
        self.execute(
            """UPDATE subscriptions SET document = ?, cursor = ?, handed = ?, waiting = ?,
            dead_lettered = ?, secret = ? WHERE number = ?""",
            (*row[4:], row.number),
        )

    def delete_subscription(self, number: int) -> None:
        """Drop a subscription and everything it holds."""
        self.clear_waiting(number)
        self._rows.clear()
        self.execute("DELETE FROM subscriptions WHERE number = ?", (number,))

    def put_waiting(self, number: int, rows: Sequence[WaitingRow]) -> None:
        """Store what a subscription waits for, in place of what it had at the same cursors."""
        if number in self._due_from:
            self._due_from[number] = min([self._due_from[number], *[row[2] for row in rows]])
        if len(rows) == 1:
            self.execute(_PUT_WAITING, (number, *rows[0]))
        else:
            self.connection.executemany(_PUT_WAITING, [(number, *row) for row in rows])

    def drop_waiting(self, number: int, cursors: Sequence[int]) -> None:
        """Drop what a subscription waits for at these cursors."""
        statement = "DELETE FROM waiting WHERE subscription = ? AND cursor = ?"
        if len(cursors) == 1:
            self.execute(statement, (number, cursors[0]))
        else:
            self.connection.executemany(statement, [(number, cursor) for cursor in cursors])

    def clear_waiting(self, number: int) -> None:
        """Drop everything that a subscription waits for, and what is remembered of how it ended."""
        self.execute("DELETE FROM waiting WHERE subscription = ?", (number,))
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

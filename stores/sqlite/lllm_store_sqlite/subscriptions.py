"""The subscription tables: who reads which channel, and where each reader stands."""

from __future__ import annotations

import sqlite3
from typing import Any

from lllm.store.backend import SubscriptionRow
from lllm_store_sqlite.deliveries import DeliveryReads, DeliveryWrites

__all__ = ["SubscriptionReads", "SubscriptionWrites"]

_SELECT = """
SELECT number, id, channel, kind, document, floor, handed, waiting, dead_lettered, secret
FROM subscriptions JOIN deliveries ON subscription = number AND cursor = 0
"""
_PUT_STATE = """
INSERT OR REPLACE INTO deliveries(subscription, cursor, floor, handed, waiting, dead_lettered)
VALUES (?, 0, ?, ?, ?, ?)
"""
_MOST_REMEMBERED = 1000


class SubscriptionReads(DeliveryReads):
    """Reading subscriptions."""

    def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        """Return the subscription with an id."""
        found = self.execute(f"{_SELECT} WHERE id = ?", (subscription_id,)).fetchone()
        return None if found is None else self._subscription(found)

    def subscription_numbered(self, number: int) -> SubscriptionRow | None:
        """Return the subscription with a number."""
        found = self.execute(f"{_SELECT} WHERE number = ?", (number,)).fetchone()
        return None if found is None else self._subscription(found)

    def subscriptions(self, channel: str | None = None) -> list[SubscriptionRow]:
        """Return the subscriptions of a channel, or all, by id."""
        if channel is None:
            found = self.execute(f"{_SELECT} ORDER BY id")
        else:
            found = self.execute(f"{_SELECT} WHERE channel = ? ORDER BY id", (self.number_of(channel),))
        return [self._subscription(record) for record in found.fetchall()]

    def _subscription(self, record: tuple[Any, ...]) -> SubscriptionRow:
        number, name, channel, *rest = record
        return SubscriptionRow(number, name, self.name_of(channel), *rest)


class SubscriptionWrites(DeliveryWrites, SubscriptionReads):
    """Changing subscriptions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._rows: dict[str | int, SubscriptionRow] = {}

    def forget(self) -> None:
        """Drop what is remembered of the tables, after somebody else or a rollback has changed them."""
        super().forget()
        self._rows.clear()

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

    def add_subscription(self, row: SubscriptionRow) -> int:
        """Store a new subscription.

        Args:
            row: The subscription; its number is ignored.

        Returns:
            Its number, which no other subscription had or will have.
        """
        number = self.execute(
            "INSERT INTO subscriptions(id, channel, kind, document, secret) VALUES (?, ?, ?, ?, ?)",
            (row.id, self.number_of(row.channel), row.kind, row.doc, row.secret),
        ).lastrowid
        self._put_state(row._replace(number=number or 0))
        return number or 0

    def save_subscription(self, row: SubscriptionRow) -> None:
        """Replace what is stored of a subscription.

        Args:
            row: The subscription, with its number.
        """
        known = self._rows.get(row.number)
        if known is None or (known.doc, known.secret) != (row.doc, row.secret):
            self.execute(
                "UPDATE subscriptions SET document = ?, secret = ? WHERE number = ?",
                (row.doc, row.secret, row.number),
            )
        self._put_state(row)

    def _put_state(self, row: SubscriptionRow) -> None:
        self._remember(row)
        self.execute(_PUT_STATE, (row.number, row.cursor, row.handed, row.waiting, row.dead_lettered))

    def delete_subscription(self, number: int) -> None:
        """Drop a subscription and everything it holds."""
        self._rows.clear()
        self.clear_waiting(number)
        self.execute("DELETE FROM deliveries WHERE subscription = ?", (number,))
        self.execute("DELETE FROM subscriptions WHERE number = ?", (number,))

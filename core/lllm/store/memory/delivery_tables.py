"""Subscriptions and what they have handed out, in dictionaries."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from lllm.store.backend import SubscriptionRow, WaitingRow, Writer
from lllm.store.memory.undo import Undoable

__all__ = ["DeliveryTables"]


class DeliveryTables(Undoable, Writer):
    """The primitives of `Writer` that concern subscriptions."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = 0
        self._subscriptions: dict[int, SubscriptionRow] = {}
        self._ids: dict[str, int] = {}
        self._waiting: dict[int, dict[int, WaitingRow]] = {}
        self._outcomes: dict[tuple[int, int], tuple[int, float]] = {}

    @override
    def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        number = self._ids.get(subscription_id)
        return None if number is None else self._subscriptions[number]

    @override
    def subscription_numbered(self, number: int) -> SubscriptionRow | None:
        return self._subscriptions.get(number)

    @override
    def subscriptions(self, channel: str | None = None) -> list[SubscriptionRow]:
        rows = [row for row in self._subscriptions.values() if channel is None or row.channel == channel]
        return sorted(rows, key=lambda row: row.id)

    @override
    def add_subscription(self, row: SubscriptionRow) -> int:
        number = self._number("_numbers")
        self._set(self._subscriptions, number, row._replace(number=number))
        self._set(self._ids, row.id, number)
        self._set(self._waiting, number, {})
        return number

    @override
    def save_subscription(self, row: SubscriptionRow) -> None:
        self._set(self._subscriptions, row.number, row)

    @override
    def delete_subscription(self, number: int) -> None:
        self.clear_waiting(number)
        self._delete(self._ids, self._subscriptions[number].id)
        self._delete(self._subscriptions, number)
        self._delete(self._waiting, number)

    @override
    def waiting(self, number: int, cursors: Sequence[int]) -> dict[int, WaitingRow]:
        rows = self._waiting[number]
        return {cursor: rows[cursor] for cursor in cursors if cursor in rows}

    @override
    def due(self, number: int, *, now: float, limit: int) -> list[WaitingRow]:
        return sorted(row for row in self._waiting[number].values() if row[2] <= now)[:limit]

    @override
    def first_waiting(self, number: int) -> int | None:
        return min(self._waiting[number], default=None)

    @override
    def next_due(self, number: int) -> float | None:
        return min((row[2] for row in self._waiting[number].values()), default=None)

    @override
    def waiting_counts(self, number: int) -> tuple[int, int]:
        leased = sum(row[3] for row in self._waiting[number].values())
        return leased, len(self._waiting[number]) - leased

    @override
    def put_waiting(self, number: int, rows: Sequence[WaitingRow]) -> None:
        for row in rows:
            self._set(self._waiting[number], row[0], row)

    @override
    def drop_waiting(self, number: int, cursors: Sequence[int]) -> None:
        for cursor in cursors:
            self._delete(self._waiting[number], cursor)

    @override
    def clear_waiting(self, number: int) -> None:
        self.drop_waiting(number, list(self._waiting[number]))
        for key in [key for key in self._outcomes if key[0] == number]:
            self._delete(self._outcomes, key)

    @override
    def outcomes(self, number: int, cursors: Sequence[int]) -> dict[int, int]:
        keys = [(number, cursor) for cursor in cursors]
        return {key[1]: self._outcomes[key][0] for key in keys if key in self._outcomes}

    @override
    def put_outcomes(self, number: int, rows: Sequence[tuple[int, int, float]]) -> None:
        for cursor, attempt, at in rows:
            self._set(self._outcomes, (number, cursor), (attempt, at))

    @override
    def forget_outcomes(self, before: float) -> None:
        for key in [key for key, outcome in self._outcomes.items() if outcome[1] < before]:
            self._delete(self._outcomes, key)

"""What the writer remembers of the events that have no indexes yet."""

from __future__ import annotations

import sqlite3
from typing import Any

__all__ = ["Recent"]


class Recent:
    """The ids of the table `recent`, and where each channel begins in it.

    Args:
        connection: Connection to read them from.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.positions: dict[bytes | str, int] = {}
        """Positions by packed id."""
        self.first_cursors: dict[int, int] = {}
        """Cursor of the oldest recent event, by number of the channel."""
        for record in connection.execute(
            "SELECT position, channel, cursor, id FROM recent ORDER BY position"
        ):
            self.add(record)

    def add(self, record: tuple[Any, ...]) -> None:
        """Note an event that was inserted.

        Args:
            record: Its columns; the first four count.
        """
        self.positions[record[3]] = record[0]
        self.first_cursors.setdefault(record[1], record[2])

    def clear(self) -> None:
        """Note that all of them have moved on."""
        self.positions.clear()
        self.first_cursors.clear()

"""What all readers and writers of the tables share: the connection and the numbers of channels."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["Tables", "chunks", "marks", "runs"]

T = TypeVar("T")


class Tables:
    """The tables behind one connection.

    Args:
        connection: Connection that a transaction is open on while the methods run.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.execute
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def number_of(self, channel: str) -> int | None:
        """Return the number of a channel, dropped ones included, None when it never existed.

        Args:
            channel: Name of the channel.
        """
        number = self._numbers.get(channel)
        if number is None:
            found = self.execute("SELECT number FROM channels WHERE name = ?", (channel,)).fetchone()
            if found is None:
                return None
            number = int(found[0])
            self._numbers[channel] = number
            self._names[number] = channel
        return number

    def name_of(self, number: int) -> str:
        """Return the name of a channel.

        Args:
            number: Its number; one without a channel gives a name that no channel has.
        """
        name = self._names.get(number)
        if name is None:
            found = self.execute("SELECT name FROM channels WHERE number = ?", (number,)).fetchone()
            if found is None:
                return ""
            name = str(found[0])
            self._numbers[name] = number
            self._names[number] = name
        return name

    def forget(self) -> None:
        """Drop what is remembered of channels, after a rollback may have undone one."""
        self._numbers.clear()
        self._names.clear()


def marks(count: int) -> str:
    """Return `count` placeholders, separated by commas."""
    return ",".join("?" * count)


def chunks(items: Iterable[T], size: int = 500) -> Iterable[list[T]]:
    """Cut an iterable into lists that fit the number of parameters of one statement.

    Args:
        items: What to cut.
        size: Most items of a list.
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return the first and the last of each run of neighbours, which one statement can name.

    Args:
        numbers: Numbers, each once, in any order.
    """
    first = last = None
    for number in sorted(numbers):
        if first is None or last is None:
            first = number
        elif number != last + 1:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last

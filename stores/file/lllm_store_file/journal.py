"""Tables that write down what changes them: the operations of a transaction, and how to do them again.

An operation in the log is the name of a method of `Writer` and its arguments; an event is an operation of its
own kind, whose body stands there as it is.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from typing_extensions import override

from lllm.store.backend import RemovedRow, SubscriptionRow, WaitingRow
from lllm.store.rows import EventRow
from lllm_store_file.event_index import EVENT, parents_of
from lllm_store_file.lines import Line, operations, prefix_of
from lllm_store_file.segments import Segments
from lllm_store_file.tables import FileTables
from lllm_store_file.tail import Place

__all__ = ["Journal", "Mark", "encode"]

encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True, check_circular=False).encode
"""Returns canonical JSON."""


class Mark(NamedTuple):
    """How far the changes of a transaction had come.

    Args:
        undo: Number of changes that can be undone.
        operations: Number of operations.
    """

    undo: int
    operations: int


class Journal(FileTables):
    """Tables with the operations that changed them since the last commit.

    Args:
        segments: Where the events are.
    """

    def __init__(self, segments: Segments) -> None:
        super().__init__(segments)
        self._operations: list[tuple[str, int]] = []
        self._silent = 0

    def mark(self) -> Mark:
        """Return how far the changes have come."""
        return Mark(len(self.undo), len(self._operations))

    def go_back(self, mark: Mark) -> None:
        """Undo the changes since a mark.

        Args:
            mark: The mark.
        """
        while len(self.undo) > mark.undo:
            self.undo.pop()()
        del self._operations[mark.operations :]

    def line(self, since: Mark, until: Mark, start: int) -> tuple[bytes, list[tuple[int, Place]]]:
        """Return the line of the operations between two marks, and where it puts each event.

        Args:
            since: The mark before the transaction.
            until: The mark behind it.
            start: Where the line will begin in its segment.

        Returns:
            The line, empty when nothing changed; ordinal and place of every event in it.
        """
        pending = self._operations[since.operations : until.operations]
        if not pending:
            return b"", []
        data = f"[{','.join([text for text, _ in pending])}]".encode("ascii")
        prefix = prefix_of(data)
        at = start + len(prefix) + 1
        placed: list[tuple[int, Place]] = []
        for text, ordinal in pending:
            if ordinal >= 0:
                placed.append((ordinal, (at, len(text), zlib.crc32(text.encode("ascii")))))
            at += len(text) + 1
        return b"%s%s\n" % (prefix, data), placed

    def settle(self, placed: Iterable[tuple[int, Place]]) -> None:
        """Forget the operations and how to undo them: they are committed.

        Args:
            placed: Where each of their events is now.
        """
        for ordinal, place in placed:
            self.tail.places[ordinal] = place
        self.undo.clear()
        self._operations.clear()

    def replay(self, line: Line) -> None:
        """Do the operations of a line of the log.

        Args:
            line: The line.
        """
        self._silent += 1
        try:
            for operation, start, end in operations(line):
                if operation[0] == "event":
                    text = line.text[start:end].encode("ascii")
                    place = (line.start + start, end - start, zlib.crc32(text))
                    self.restore(operation[1], parents_of(operation[2]), place)
                else:
                    self._do_again(*operation)
        finally:
            self.undo.clear()
            self._silent -= 1

    def _do_again(self, name: str, *arguments: Any) -> None:
        match name:
            case "segment":
                pass
            case "state":
                self.load(*arguments)
            case "add_subscription" | "save_subscription":
                getattr(self, name)(SubscriptionRow(*arguments[0]))
            case "put_waiting":
                self.put_waiting(arguments[0], [_waiting(row) for row in arguments[1]])
            case "remove_events":
                self.remove_events(arguments[0], arguments[1], [_removed(row) for row in arguments[2]])
            case _ if name in _REPEATABLE:
                getattr(self, name)(*arguments)
            case _:
                raise LookupError(name)

    def _note(self, name: str, *arguments: Any) -> None:
        if not self._silent:
            self._operations.append((encode([name, *arguments]), -1))

    @override
    def insert_events(self, rows: Sequence[EventRow], links: Sequence[tuple[str, int]]) -> None:
        first = len(self.tail)
        super().insert_events(rows, links)
        for ordinal, row in enumerate(rows, first):
            header = encode([*row[:6], row[7]])
            self._operations.append((f"{EVENT}{header},{row[6]}]", ordinal))

    @override
    def put_channel(self, name: str, doc: str) -> None:
        super().put_channel(name, doc)
        self._note("put_channel", name, doc)

    @override
    def drop_channel(self, name: str) -> None:
        self._note("drop_channel", name)
        self._silent += 1
        try:
            super().drop_channel(name)
        finally:
            self._silent -= 1

    @override
    def set_head(self, channel: str, head: int) -> None:
        super().set_head(channel, head)
        self._note("set_head", channel, head)

    @override
    def remove_events(self, channel: str, through: int, removed: Sequence[RemovedRow]) -> None:
        super().remove_events(channel, through, removed)
        self._note("remove_events", channel, through, list(removed))

    @override
    def forget_removed(self, before: float) -> None:
        if any(row[6] < before for row in self._removed.values()):
            super().forget_removed(before)
            self._note("forget_removed", before)

    @override
    def add_subscription(self, row: SubscriptionRow) -> int:
        number = super().add_subscription(row)
        self._note("add_subscription", row)
        return number

    @override
    def save_subscription(self, row: SubscriptionRow) -> None:
        super().save_subscription(row)
        self._note("save_subscription", row)

    @override
    def delete_subscription(self, number: int) -> None:
        self._note("delete_subscription", number)
        self._silent += 1
        try:
            super().delete_subscription(number)
        finally:
            self._silent -= 1

    @override
    def put_waiting(self, number: int, rows: Sequence[WaitingRow]) -> None:
        super().put_waiting(number, rows)
        self._note("put_waiting", number, list(rows))

    @override
    def drop_waiting(self, number: int, cursors: Sequence[int]) -> None:
        super().drop_waiting(number, cursors)
        self._note("drop_waiting", number, list(cursors))

    @override
    def clear_waiting(self, number: int) -> None:
        self._note("clear_waiting", number)
        self._silent += 1
        try:
            super().clear_waiting(number)
        finally:
            self._silent -= 1

    @override
    def put_outcomes(self, number: int, rows: Sequence[tuple[int, int, float]]) -> None:
        super().put_outcomes(number, rows)
        self._note("put_outcomes", number, list(rows))

    @override
    def forget_outcomes(self, before: float) -> None:
        if any(outcome[1] < before for outcome in self._outcomes.values()):
            super().forget_outcomes(before)
            self._note("forget_outcomes", before)

    @override
    def put_artifact(
        self, artifact_id: str, channel: str | None, path: str, event_ids: Sequence[str], doc: str
    ) -> None:
        super().put_artifact(artifact_id, channel, path, event_ids, doc)
        self._note("put_artifact", artifact_id, channel, path, list(event_ids), doc)

    @override
    def delete_artifact(self, artifact_id: str) -> None:
        super().delete_artifact(artifact_id)
        self._note("delete_artifact", artifact_id)

    @override
    def put_snapshot(self, name: str, revision: int, channel: str | None, doc: str, keep: int) -> None:
        super().put_snapshot(name, revision, channel, doc, keep)
        self._note("put_snapshot", name, revision, channel, doc, keep)

    @override
    def delete_snapshot(self, name: str) -> None:
        super().delete_snapshot(name)
        self._note("delete_snapshot", name)

    @override
    def put_retention(self, channel: str, doc: str | None) -> None:
        super().put_retention(channel, doc)
        self._note("put_retention", channel, doc)


_REPEATABLE = frozenset(
    {
        "clear_waiting",
        "delete_artifact",
        "delete_snapshot",
        "delete_subscription",
        "drop_channel",
        "drop_waiting",
        "forget_outcomes",
        "forget_removed",
        "put_artifact",
        "put_channel",
        "put_outcomes",
        "put_retention",
        "put_snapshot",
        "set_head",
    }
)


def _waiting(row: Sequence[Any]) -> WaitingRow:
    cursor, attempt, due, leased, error = row
    return cursor, attempt, due, leased, error


def _removed(row: Sequence[Any]) -> RemovedRow:
    event_id, channel, cursor, timestamp, position, digest, removed_at = row
    return event_id, channel, cursor, timestamp, position, digest, removed_at

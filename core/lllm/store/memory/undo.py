"""Changes to dictionaries that can be taken back when a transaction fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Undoable"]


class Undoable:
    """Tables whose changes can be undone: `undo` collects what takes them back, in the order of the changes."""

    def __init__(self) -> None:
        self.undo: list[Callable[[], Any]] = []

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        if key in table:
            old = table[key]
            self.undo.append(lambda: table.__setitem__(key, old))
        else:
            self.undo.append(lambda: table.pop(key, None))
        table[key] = value

    def _delete(self, table: dict[Any, Any], key: Any) -> None:
        if key in table:
            old = table.pop(key)
            self.undo.append(lambda: table.__setitem__(key, old))

    def _number(self, name: str) -> int:
        old: int = getattr(self, name)
        self.undo.append(lambda: setattr(self, name, old))
        setattr(self, name, old + 1)
        return old + 1

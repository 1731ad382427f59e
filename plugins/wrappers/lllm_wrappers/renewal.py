"""State of one process: locks and waiting callers are not copied or pickled, and a forked child has its own."""

from __future__ import annotations

import os
from typing import Any, ClassVar
from weakref import WeakSet

__all__ = ["Renewed"]


class Renewed:
    """An object some of whose attributes belong to this process alone."""

    _own_state: ClassVar[tuple[str, ...]] = ()

    def _renew(self) -> None:
        """Begin with fresh state: in a new object, a copy, or a forked child."""
        raise NotImplementedError

    def _begin_state(self) -> None:
        self._renew()
        _living.add(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self._own_state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin_state()


_living: WeakSet[Renewed] = WeakSet()


def _renew_all() -> None:
    for each in tuple(_living):
        each._renew()


os.register_at_fork(after_in_child=_renew_all)

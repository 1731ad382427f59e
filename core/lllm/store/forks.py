"""What a fork needs: no other thread is inside a store while the process forks, and the child begins anew."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol
from weakref import WeakSet

__all__ = ["Forkable", "follow_forks"]


class Forkable(Protocol):
    """What a backend's way to its files offers so that it can be carried through a fork."""

    closed: bool
    """Whether it is closed for good: then a fork does not concern it."""

    def quiet(self) -> AbstractContextManager[None]:
        """Return a context in which no thread is inside the store and nothing is open that a fork would break."""

    def start_again(self) -> None:
        """Forget what the parent's threads hold: they do not exist in the child."""


_open: WeakSet[Forkable] = WeakSet()
_forks: list[ExitStack] = []
_registered: list[bool] = []


def follow_forks(access: Forkable) -> None:
    """Keep a store whole in parent and child through every fork.

    Args:
        access: The store's way to its files; it is forgotten with its owner.
    """
    _open.add(access)
    if not _registered:
        _registered.append(True)
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    stack = ExitStack()
    _forks.append(stack)
    for access in list(_open):
        if not access.closed:
            stack.enter_context(access.quiet())


def _in_parent() -> None:
    _forks.pop().close()


def _in_child() -> None:
    _forks.pop().close()
    for access in list(_open):
        access.start_again()

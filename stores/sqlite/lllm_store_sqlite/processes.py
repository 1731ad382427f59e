"""What a fork needs: SQLite connections must not be carried into a child, so none is open during a fork."""

from __future__ import annotations

import os
from contextlib import ExitStack
from weakref import WeakSet

from lllm_store_sqlite.access import Access

__all__ = ["follow_forks"]

_open: WeakSet[Access] = WeakSet()
_forks: list[ExitStack] = []
_registered = False


def follow_forks(access: Access) -> None:
    """Close the connections of a store before each fork; parent and child open their own when they need them.

    Args:
        access: The store's way to its database; it is forgotten with the store.
    """
    global _registered  # noqa: PLW0603
    _open.add(access)
    if not _registered:
        _registered = True
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
        # Threads that waited for a lock of the parent do not exist here.
        access.start()

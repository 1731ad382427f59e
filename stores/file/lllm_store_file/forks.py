"""What a fork needs: no other thread is inside a store while the process forks, and the child begins anew."""

from __future__ import annotations

import os
from contextlib import ExitStack
from weakref import WeakSet

from lllm_store_file.access import Access

__all__ = ["follow_forks"]

_open: WeakSet[Access] = WeakSet()
_forks: list[ExitStack] = []
_registered = False


def follow_forks(access: Access) -> None:
    """Keep a store whole in parent and child through every fork.

    Args:
        access: The store; it is forgotten with its owner.
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
        access.start_again()

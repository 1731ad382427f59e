"""Which manager is in force: the one of the process, or another for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from lllm.plugins.generation import bump_generation
from lllm.plugins.plugin_manager import PluginManager

__all__ = ["manager", "use"]

_lock = Lock()
_default: PluginManager | None = None
_used: list[PluginManager] = []


def manager() -> PluginManager:
    """Return the plugin manager in force; the one of the process is made at the first call."""
    global _default  # noqa: PLW0603
    if _used:
        return _used[-1]
    if _default is None:
        with _lock:
            if _default is None:
                _default = PluginManager()
    return _default


@contextmanager
def use(manager: PluginManager) -> Iterator[PluginManager]:
    """Put another manager in force for a block, in all threads of the process.

    Args:
        manager: The manager.

    Yields:
        The same manager.
    """
    _used.append(manager)
    bump_generation()
    try:
        yield manager
    finally:
        # Blocks of several threads may end in any order.
        for index in reversed(range(len(_used))):
            if _used[index] is manager:
                del _used[index]
                break
        bump_generation()

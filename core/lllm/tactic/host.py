"""What tactics ask of the plugin host: who claims a class, and whether anybody observes calls.

The host is imported at the first question, so that defining and calling typed tactics stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm.hookspecs import Runtime
    from lllm.plugins import PluginManager

__all__ = ["claimed_runtime", "observing_manager", "runtime_named"]

_plugins: Any = None
_generation = -1
_observer: PluginManager | None = None
_runtimes: dict[str, Runtime] = {}


def _refresh() -> None:
    """Drop what was learnt from another manager or from other registrations."""
    global _plugins, _generation, _observer  # noqa: PLW0603
    if _plugins is None:
        import lllm.plugins

        _plugins = lllm.plugins
    manager = _plugins.manager()
    _observer = manager if manager.observed else None
    _runtimes.clear()
    # Read last: asking the manager may itself have changed it.
    _generation = _plugins.generation


def observing_manager() -> PluginManager | None:
    """Return the plugin manager when some plugin observes calls, else None."""
    if _plugins is None or _plugins.generation != _generation:
        _refresh()
    return _observer


def claimed_runtime(cls: type) -> str | None:
    """Return the name of the runtime that claims a tactic class, or None.

    Args:
        cls: A tactic class that does not implement the work itself.
    """
    if _plugins is None:
        _refresh()
    name: str | None = _plugins.manager().claimant(cls)
    return name


def runtime_named(name: str) -> Runtime:
    """Return a runtime of the active plugin manager.

    Args:
        name: Name of the runtime.

    Raises:
        PluginNotFoundError: No plugin contributes it; the text says what to install.
        PluginImportError: Its own libraries are missing.
    """
    if _plugins is None or _plugins.generation != _generation:
        _refresh()
    runtime = _runtimes.get(name)
    if runtime is None:
        runtime = _plugins.manager().runtime(name)
        _runtimes[name] = runtime
    return runtime

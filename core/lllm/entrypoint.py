"""From an entry point, `module.path:attr.path`, to a tactic."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any, get_type_hints

from lllm.adapt import adapters_of, as_tactic
from lllm.tactic import Tactic

__all__ = ["is_declared_factory", "load_tactic_entrypoint", "tactic_from_target"]

_FACTORY_NAMES = ("build_", "create_", "make_")


def load_tactic_entrypoint(entry: str, *, declared_only: bool = False) -> Tactic[Any, Any]:
    """Import what an entry point names and make a tactic of it.

    Args:
        entry: `module.path:attr.path`.
        declared_only: Call only factories that say they are one, as `is_declared_factory` tells; otherwise every
            function without parameters is called.

    Returns:
        The tactic: an instance as it is, a class constructed, the result of a factory, or whatever else a runtime
        adapts, such as a function.

    Raises:
        ValueError: `entry` does not have that form.
        ImportError: The module cannot be imported.
        AttributeError: The module has no such attribute.
        TypeError: What it names is neither a tactic nor callable.
    """
    module, path = _split(entry)
    target: Any = import_module(module)
    for part in path:
        target = getattr(target, part)
    return tactic_from_target(target, entry, declared_only=declared_only)


def tactic_from_target(target: Any, name: str, *, declared_only: bool = False) -> Tactic[Any, Any]:
    """Make a tactic of an object that an entry point or a plugin names.

    Args:
        target: A tactic, a tactic class, a factory, or something that a runtime adapts.
        name: What the object was named, for the error.
        declared_only: Call only factories that say they are one.

    Returns:
        The tactic.

    Raises:
        TypeError: The object, or what its factory returns, is neither a tactic nor callable.
    """
    if not _is_tactic(target) and _is_factory(target, declared_only):
        target = target()
    if isinstance(target, Tactic):
        return target
    if _is_tactic(target):
        made: Tactic[Any, Any] = target()
        return made
    if not callable(target) and not adapters_of(target):
        raise TypeError(f"{name} did not resolve to a tactic or callable, got {type(target).__name__}.")
    return as_tactic(target)


def is_declared_factory(target: Any) -> bool:
    """Tell whether a callable says itself that it makes a tactic, so that calling it does nothing else.

    Args:
        target: A callable without required arguments.

    Returns:
        Whether its return annotation is a tactic or its name begins with `build_`, `create_` or `make_`.
    """
    if str(getattr(target, "__name__", "")).startswith(_FACTORY_NAMES):
        return True
    try:
        returned = get_type_hints(target).get("return")
    except Exception:
        # Annotations are any code of the user's; what cannot be evaluated declares nothing.
        return False
    return inspect.isclass(returned := getattr(returned, "__origin__", returned)) and issubclass(
        returned, Tactic
    )


def _split(entry: object) -> tuple[str, list[str]]:
    module, colon, path = entry.partition(":") if isinstance(entry, str) else ("", "", "")
    parts = [*module.split("."), *path.split(".")]
    if not colon or any(
        not part or not set("/\\:%").isdisjoint(part) or part.split() != [part] for part in parts
    ):
        raise ValueError(f"Entrypoint must have the form 'module:attribute', got {entry!r}.")
    return module, path.split(".")


def _is_tactic(target: Any) -> bool:
    return isinstance(target, Tactic) or (isinstance(target, type) and issubclass(target, Tactic))


def _is_factory(target: Any, declared_only: bool) -> bool:
    """Tell whether to call a target: it takes nothing, or it is declared a factory and needs nothing."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return False
    if not parameters and not declared_only:
        return True
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needs_nothing = all(each.default is not each.empty or each.kind in variadic for each in parameters)
    return needs_nothing and is_declared_factory(target)

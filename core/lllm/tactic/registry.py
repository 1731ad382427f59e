"""The table of defined tactic classes, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm.tactic.boundary import Tactic

__all__ = [
    "build_tactic",
    "claim_definitions",
    "defined_tactic_classes",
    "get_tactic_class",
    "register_definition",
    "register_tactic_class",
]

_classes: dict[str, type[Tactic[Any, Any]]] = {}
_owners: dict[str, Callable[[type[Tactic[Any, Any]]], object]] = {}
_lock = Lock()


def claim_definitions(package: str, owner: Callable[[type[Tactic[Any, Any]]], object]) -> None:
    """Hand the tactic classes that a top-level package defines to an owner instead of to the table.

    A plugin that imports modules on behalf of others, under names of its own, keeps their classes out of the
    running program's table with this.

    Args:
        package: First part of the names of the modules.
        owner: Called with each class that is defined in them and does not say `register=False`.
    """
    _owners[package] = owner


def register_definition(cls: type[Tactic[Any, Any]], runtime: Any = None) -> None:
    """Register a class that has just been defined; called by `Tactic` itself.

    Args:
        cls: A tactic class with a `name`.
        runtime: The resource registry that the class statement names, or None.
    """
    owner = _owners.get(cls.__module__.partition(".")[0]) if _owners and runtime is None else None
    if owner is not None:
        owner(cls)
    else:
        register_tactic_class(cls, runtime)


def defined_tactic_classes() -> Mapping[str, type[Tactic[Any, Any]]]:
    """Return a live, read-only view of the table."""
    return MappingProxyType(_classes)


def register_tactic_class(cls: type[Tactic[Any, Any]], runtime: Any = None) -> None:
    """Make a tactic class available by its name; the last class of a name wins.

    Defining a subclass with a `name` does this by itself, unless `register=False` is given.

    Args:
        cls: A tactic class with a `name`.
        runtime: A resource registry to use instead of the default table.

    Raises:
        AssertionError: The class has no name.
    """
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        raise AssertionError(f"Tactic class `{cls.__name__}` must define `name` to be registered.")
    if runtime is not None:
        runtime.register_tactic(name, cls, overwrite=True)
        return
    with _lock:
        _classes[name] = cls


def get_tactic_class(name: str, runtime: Any = None) -> type[Tactic[Any, Any]]:
    """Return the tactic class of a name.

    A name that no class in the running program has is looked up in the packages that `lllm.toml` and
    `lllm pkg install` make available, when the packages plugin is installed.

    Args:
        name: Name of the class, or a package path of it.
        runtime: A resource registry to look in instead.

    Raises:
        KeyError: There is none; the text names close matches.
    """
    if runtime is not None:
        found: type[Tactic[Any, Any]] = runtime.get_tactic(name)
        return found
    with _lock:
        known = _classes.get(name)
    return known if known is not None else _packaged(name)


def _packaged(name: str) -> type[Tactic[Any, Any]]:
    import lllm

    try:
        load_tactic: Any = lllm.load_tactic
    except ImportError:
        raise KeyError(_unknown(name)) from None
    loaded: type[Tactic[Any, Any]] = load_tactic(name)
    return loaded


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    with _lock:
        close = get_close_matches(str(name), _classes, n=5)
    return f"Tactic {name!r} not found. Did you mean: {close}?"


def build_tactic(
    config: Mapping[str, Any],
    log_store: Any = None,
    name: str | Enum | None = None,
    runtime: Any = None,
    **kwargs: Any,
) -> Tactic[Any, Any]:
    """Construct a registered tactic from a config.

    Args:
        config: The config that the class takes.
        log_store: Where root sessions are saved, or None.
        name: Name of the class; the default is `config["tactic_type"]`.
        runtime: A resource registry to look in instead of the default table.
        **kwargs: Further arguments of the constructor.

    Raises:
        ValueError: No name is given.
        KeyError: No class has that name.
    """
    wanted = name if name is not None else config.get("tactic_type")
    if isinstance(wanted, Enum):
        wanted = wanted.value
    if not isinstance(wanted, str) or not wanted.strip():
        raise ValueError(
            f"Invalid tactic name: {wanted!r}; pass name= or set `tactic_type` in the config to a tactic's name."
        )
    cls = get_tactic_class(wanted, runtime)
    return cls(config, log_store=log_store, runtime=runtime, **kwargs)

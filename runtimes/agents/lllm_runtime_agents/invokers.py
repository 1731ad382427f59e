"""The table of invokers by name, and the choice among them.

An invoker is imported when it is first built, so that naming one costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from threading import Lock
from typing import Any

from lllm_runtime_agents.invoker import BaseInvoker, InvokerBuilder

__all__ = ["build_invoker", "register_invoker"]

_SHIPPED = {
    "models": "lllm_runtime_agents.models_invoker:ModelsInvoker",
    "litellm": "lllm_runtime_agents.litellm_invoker:LiteLLMInvoker",
    "mock": "lllm_runtime_agents.mock_invoker:MockInvoker",
}
_builders: dict[str, InvokerBuilder | str] = dict(_SHIPPED)
_lock = Lock()


def register_invoker(name: str, builder: InvokerBuilder, *, overwrite: bool = False) -> None:
    """Register an invoker.

    One that is registered under `litellm` becomes the default of every config that names none.

    Args:
        name: Its name, in any case.
        builder: Called with the `invoker_config`; a `BaseInvoker` class will do.
        overwrite: Whether one of that name is replaced.

    Raises:
        ValueError: The name is taken and `overwrite` is false.
        TypeError: `builder` is not callable.
    """
    if not callable(builder):
        raise TypeError(f"builder of invoker '{name}' must be callable, got {type(builder).__name__}.")
    key = name.lower()
    with _lock:
        if not overwrite and (key in _builders or key in _contributed()):
            raise ValueError(f"Invoker '{key}' already registered")
        _builders[key] = builder


def build_invoker(config: Mapping[str, Any] | None = None) -> BaseInvoker:
    """Build the invoker that a config asks for.

    The choice is `config["invoker"]`, else an invoker that was registered under `litellm`, else the environment
    variable `LLLM_INVOKER`, else `models`.

    Args:
        config: A tactic's config; its `invoker_config`, or else the whole of it, goes to the builder.

    Raises:
        KeyError: No invoker has that name.
        TypeError: `invoker` or `invoker_config` has the wrong type.
    """
    config = config or {}
    chosen = config.get("invoker")
    if isinstance(chosen, BaseInvoker):
        return chosen
    own = config.get("invoker_config", config)
    if own is not None and not isinstance(own, Mapping):
        raise TypeError(f"`invoker_config` must be a mapping, got {type(own).__name__}.")
    return _builder(chosen or _default_name())(dict(own or {}))


def _default_name() -> str:
    if _builders["litellm"] is not _SHIPPED["litellm"]:
        return "litellm"
    return os.environ.get("LLLM_INVOKER") or "models"


def _builder(name: Any) -> InvokerBuilder:
    if not isinstance(name, str):
        raise TypeError(f"`invoker` must be a name or an invoker, got {type(name).__name__}.")
    key = name.lower()
    builder = _builders.get(key)
    if builder is None:
        contributed = _contributed()
        if key not in contributed:
            raise KeyError(f"Invoker '{key}' not registered. Available: {sorted({*_builders, *contributed})}")
        builder = contributed[key]
    return _imported(builder) if isinstance(builder, str) else builder


def _imported(target: str) -> InvokerBuilder:
    module, _, attribute = target.partition(":")
    builder: InvokerBuilder = getattr(import_module(module), attribute)
    return builder


def _contributed() -> dict[str, str]:
    """Return what plugins answer to the hook `lllm_invokers`."""
    from lllm.plugins import manager

    found: dict[str, str] = {}
    for answer in manager().hook.lllm_invokers():
        for name, target in answer.items():
            found.setdefault(name.lower(), target)
    return found

"""Configs: inheritance with `base`, overrides, and environment variables under `invoker_config`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from lllm_packages.defaults import get_default_runtime
from lllm_packages.index import package_of
from lllm_packages.node import ResourceNode
from lllm_packages.registry import Runtime

__all__ = ["merge_configs", "resolve_config", "vendor_config"]

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<given>:-(?P<default>[^}]*))?\}")
_PLAIN = frozenset({str, int, float, bool, type(None)})


def resolve_config(name: str, runtime: Runtime | None = None) -> dict[str, Any]:
    """Return a config with everything it inherits.

    `base` names one config, or a list of them from left to right, on which this one is laid: dicts merge, lists
    and scalars replace. `${NAME}` and `${NAME:-default}` are replaced in texts under `invoker_config`. A config of a
    package looks its own bare names up in that package first.

    Args:
        name: `name`, `package:name` or `package.configs:name`.
        runtime: The registry; None for the default one.

    Returns:
        A dict of the caller's own, without `base`.

    Raises:
        KeyError: There is no such config, or no such base.
        TypeError: A config is not a mapping, or its `base` is not a name or a list of names.
        ValueError: The inheritance is circular, a file is faulty, or a variable is not set.
    """
    resolver = _Resolver(runtime if runtime is not None else get_default_runtime())
    return _expand(resolver.resolve(name), name)


def vendor_config(
    source: str | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    runtime: Runtime | None = None,
) -> dict[str, Any]:
    """Return a config with overrides merged into it.

    Args:
        source: The name of a config, or a config itself, which may have a `base`.
        overrides: What to lay over it: dicts merge, lists and scalars replace.
        runtime: The registry; None for the default one.

    Returns:
        A dict of the caller's own, without `base`.

    Raises:
        KeyError: There is no such config, or no such base.
        TypeError: The source is neither a name nor a mapping, or the overrides are no mapping.
        ValueError: The inheritance is circular, a file is faulty, or a variable is not set.
    """
    resolver = _Resolver(runtime if runtime is not None else get_default_runtime())
    if isinstance(source, str):
        config, label = resolver.resolve(source), source
    elif isinstance(source, Mapping):
        config, label = resolver.inherit(dict(source), "the given config", None), "the given config"
    else:
        raise TypeError(f"source must be the name of a config or a mapping, got {type(source).__name__}.")
    if overrides is not None:
        if not isinstance(overrides, Mapping):
            raise TypeError(f"overrides must be a mapping, got {type(overrides).__name__}.")
        _lay(config, overrides)
    return _expand(config, label)


def merge_configs(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new dict with `over` laid on `base`: dicts merge, everything else replaces.

    Args:
        base: What is there.
        over: What is laid on it.
    """
    merged: dict[str, Any] = _copy(base)
    _lay(merged, over)
    return merged


def _lay(config: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay a config on one that may be changed, without sharing anything with it."""
    for key, value in over.items():
        below = config.get(key)
        if isinstance(value, Mapping) and isinstance(below, dict):
            _lay(below, value)
        else:
            config[key] = _copy(value)


def _copy(value: Any) -> Any:
    """Copy a value without sharing: what YAML anchors repeat becomes separate."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict or isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if kind is list or isinstance(value, list):
        return [_copy(item) for item in value]
    return deepcopy(value)


class _Resolver:
    """Resolves the inheritance of one config."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._chain: list[str] = []

    def resolve(self, name: str, package: str | None = None) -> dict[str, Any]:
        node = self._node(name, package)
        label = node.qualified_key
        if label in self._chain:
            path = " -> ".join([*self._chain[self._chain.index(label) :], label])
            raise ValueError(f"Circular config inheritance detected: {path}")
        config = node.value
        if not isinstance(config, Mapping):
            raise TypeError(f"Config '{name}' is not a dict, but {type(config).__name__}.")
        self._chain.append(label)
        try:
            return self.inherit(dict(config), name, _owner(node))
        finally:
            self._chain.pop()

    def _node(self, name: str, package: str | None) -> ResourceNode:
        if package is not None and ":" not in name and self._runtime.has(f"{package}:{name}", "config"):
            name = f"{package}:{name}"
        return self._runtime.get_node(name, "config")

    def inherit(self, config: dict[str, Any], name: str, package: str | None) -> dict[str, Any]:
        """Lay a config on what its `base` names.

        Args:
            config: The config; its containers are not changed.
            name: Its name, for errors.
            package: The package it belongs to, or None.
        """
        bases = config.pop("base", None)
        bases = [] if bases is None else [bases] if isinstance(bases, str) else bases
        if not isinstance(bases, list) or not all(isinstance(base, str) and base for base in bases):
            raise TypeError(f"Config '{name}': base must be a name or a list of names, got {bases!r}.")
        merged: dict[str, Any] = self._base(bases[0], name, package) if bases else {}
        for base in bases[1:]:
            _lay(merged, self._base(base, name, package))
        _lay(merged, self._own_prompts(config, package))
        return merged

    def _base(self, base: str, name: str, package: str | None) -> dict[str, Any]:
        try:
            return self.resolve(base, package)
        except KeyError as error:
            error.add_note(f"It is the base of config '{name}'.")
            raise

    def _own_prompts(self, config: dict[str, Any], package: str | None) -> dict[str, Any]:
        """Qualify the bare prompt paths of a package that is not the default one by its name."""
        if package is None or package == self._runtime.default_namespace:
            return config
        config = _copy(config)
        agents = config.get("agent_configs")
        for place in [config.get("global"), *(agents if isinstance(agents, list) else [])]:
            path = place.get("system_prompt_path") if isinstance(place, dict) else None
            if isinstance(path, str) and ":" not in path and self._runtime.has(f"{package}:{path}", "prompt"):
                place["system_prompt_path"] = f"{package}:{path}"
        return config


def _owner(node: ResourceNode) -> str | None:
    return package_of(node.namespace) if node.namespace else None


def _expand(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Replace the environment variables under every `invoker_config`, in place."""
    for key, value in config.items():
        if key == "invoker_config":
            config[key] = _expand_value(value, f"Config '{name}', {key}")
        elif isinstance(value, dict):
            _expand(value, name)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    _expand(item, name)
    return config


def _expand_value(value: Any, place: str) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _variable(match, place), value)
    if isinstance(value, dict):
        return {key: _expand_value(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_expand_value(item, place) for item in value]
    return value


def _variable(match: re.Match[str], place: str) -> str:
    found = os.environ.get(match["name"])
    if found or (found is not None and match["given"] is None):
        return found
    if match["given"] is None:
        raise ValueError(
            f"{place} needs the environment variable {match['name']}, which is not set; set it or write "
            f"${{{match['name']}:-default}}."
        )
    return match["default"]

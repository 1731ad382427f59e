"""The default registry, the named ones, and the functions that load packages into them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from lllm_packages.loading import PackageLoader, package_file_at
from lllm_packages.package_info import PackageInfo
from lllm_packages.registry import Runtime
from lllm_packages.search import find_config_file
from lllm_packages.settings import auto_cwd_fallback, auto_init, auto_shared_packages

__all__ = [
    "get_default_runtime",
    "get_runtime",
    "load_cwd_fallback",
    "load_package",
    "load_runtime",
    "set_default_runtime",
]

_lock = RLock()
_named: dict[str, Runtime] = {}


def discover(runtime: Runtime) -> None:
    """Load the project of the working directory and what is installed, as the environment allows.

    Whatever is wrong with a package is a RuntimeWarning.

    Args:
        runtime: The registry.
    """
    if auto_init():
        _load_project(runtime, shared=auto_shared_packages())


def _load_project(runtime: Runtime, *, shared: bool) -> None:
    loader = PackageLoader(runtime)
    file = find_config_file()
    if file is not None:
        loader.load(file)
        runtime.project_dir = file.parent
    elif auto_cwd_fallback():
        loader.load_bare(Path.cwd())
    if shared:
        loader.load_shared(file.parent if file is not None else _working_directory())


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def _defined() -> Mapping[str, Any]:
    """Return the tactic classes that the running program has defined."""
    if "lllm.tactic.registry" not in sys.modules:  # where no tactic can have been defined
        return {}
    from lllm.tactic.registry import defined_tactic_classes

    return defined_tactic_classes()


_default = Runtime(discover=discover)
_default.see_definitions(_defined)


def get_default_runtime() -> Runtime:
    """Return the default registry; its first look-up discovers packages."""
    return _default


def set_default_runtime(runtime: Runtime) -> None:
    """Make a registry the default one.

    Tactic classes that the running program has defined are found in it too.

    Args:
        runtime: The registry.

    Raises:
        TypeError: It is not a `Runtime`.
    """
    global _default  # noqa: PLW0603 - there is one default for the process
    if not isinstance(runtime, Runtime):
        raise TypeError(f"runtime must be a lllm_packages.Runtime, got {type(runtime).__name__}.")
    with _lock:
        _default.see_definitions(None)
        runtime.see_definitions(_defined)
        _default = runtime


def get_runtime(name: str | None = None) -> Runtime:
    """Return a named registry.

    Args:
        name: The name it was loaded under; None for the default registry.

    Raises:
        KeyError: No registry has that name.
    """
    if name is None:
        return _default
    with _lock:
        runtime = _named.get(name)
        names = sorted(_named)
    if runtime is None:
        raise KeyError(
            f"Runtime '{name}' not found. Available: {names}. Call load_runtime(path, name='{name}') first."
        )
    return runtime


def load_runtime(
    toml_path: str | os.PathLike[str] | None = None,
    name: str | None = None,
    *,
    discover_cwd: bool = True,
    discover_shared_packages: bool = True,
) -> Runtime:
    """Load a project into a new registry.

    Args:
        toml_path: The package file or its folder; None to search upward from the working directory.
        name: Name to keep the registry under; None to make it the default one.
        discover_cwd: Whether to search when no path is given.
        discover_shared_packages: Whether to load installed packages too.

    Returns:
        The registry.

    Raises:
        FileNotFoundError: There is no package file at the path.
        ValueError: The package file at the path, or one that it depends on, is faulty.
    """
    runtime = Runtime()
    shared = discover_shared_packages and auto_shared_packages()
    if toml_path is not None:
        file = package_file_at(toml_path)
        PackageLoader(runtime, strict=True).load(file)
        runtime.project_dir = file.parent
        if shared:
            PackageLoader(runtime).load_shared(file.parent)
    elif discover_cwd:
        _load_project(runtime, shared=shared)
    elif shared:
        PackageLoader(runtime).load_shared(None)
    runtime.finish_discovery()
    if name is None:
        set_default_runtime(runtime)
    else:
        with _lock:
            _named[name] = runtime
    return runtime


def load_package(
    path: str | os.PathLike[str],
    runtime: Runtime | None = None,
    *,
    alias: str | None = None,
    eager: bool = False,
) -> PackageInfo:
    """Load one package, with what it depends on, into a registry.

    Args:
        path: The package file or its folder.
        runtime: The registry; None for the default one.
        alias: A second name for its resources.
        eager: Whether to load every resource at once instead of when it is asked for.

    Returns:
        The package.

    Raises:
        FileNotFoundError: There is no package file at the path.
        ValueError: The package file is faulty, or another package has its name.
        ImportError: A module raised while it was run, when `eager` is set.
    """
    target = runtime if runtime is not None else _default
    info = PackageLoader(target, strict=True).load(package_file_at(path), alias)
    if info is None:
        raise ValueError(f"The package at {path} was not loaded.")
    target.finish_discovery()
    if eager:
        for node in target.iter_nodes():
            if node.metadata.get("package") == info.name:
                _ = node.value
    return info


def load_cwd_fallback(runtime: Runtime | None = None) -> PackageInfo | None:
    """Load the folders `prompts`, `configs` and `tactics` of the working directory, without a package file.

    Args:
        runtime: The registry; None for the default one.

    Returns:
        The package; None, with a warning, when there is no such folder.
    """
    target = runtime if runtime is not None else _default
    info = PackageLoader(target, strict=True).load_bare(Path.cwd())
    if info is None:
        warnings.warn(
            f"{Path.cwd()} holds none of the folders prompts, configs and tactics.",
            RuntimeWarning,
            stacklevel=2,
        )
    return info

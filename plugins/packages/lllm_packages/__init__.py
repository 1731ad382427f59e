"""LLLM packages: prompts, configs and tactics in folders that are found, shared and installed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lllm_packages.configs import resolve_config, vendor_config
    from lllm_packages.defaults import (
        get_default_runtime,
        get_runtime,
        load_cwd_fallback,
        load_package,
        load_runtime,
        set_default_runtime,
    )
    from lllm_packages.export import export_package
    from lllm_packages.install import install_package
    from lllm_packages.installed import list_packages, remove_package
    from lllm_packages.node import ResourceNode
    from lllm_packages.package_info import PackageInfo
    from lllm_packages.registry import Runtime
    from lllm_packages.resources import load_config, load_prompt, load_resource, load_tactic
    from lllm_packages.scaffold import ScaffoldResult, create_project
    from lllm_packages.search import find_config_file

_MODULES = {
    "PackageInfo": "package_info",
    "ResourceNode": "node",
    "Runtime": "registry",
    "ScaffoldResult": "scaffold",
    "create_project": "scaffold",
    "export_package": "export",
    "find_config_file": "search",
    "get_default_runtime": "defaults",
    "get_runtime": "defaults",
    "install_package": "install",
    "list_packages": "installed",
    "load_config": "resources",
    "load_cwd_fallback": "defaults",
    "load_package": "defaults",
    "load_prompt": "resources",
    "load_resource": "resources",
    "load_runtime": "defaults",
    "load_tactic": "resources",
    "remove_package": "installed",
    "resolve_config": "configs",
    "set_default_runtime": "defaults",
    "vendor_config": "configs",
}

__all__ = [
    "PackageInfo",
    "ResourceNode",
    "Runtime",
    "ScaffoldResult",
    "create_project",
    "export_package",
    "find_config_file",
    "get_default_runtime",
    "get_runtime",
    "install_package",
    "list_packages",
    "load_config",
    "load_cwd_fallback",
    "load_package",
    "load_prompt",
    "load_resource",
    "load_runtime",
    "load_tactic",
    "remove_package",
    "resolve_config",
    "set_default_runtime",
    "vendor_config",
]


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module `lllm_packages` has no attribute `{name}`")
    value: object = getattr(import_module(f"lllm_packages.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

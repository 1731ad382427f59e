"""Loading one resource by its path, from the default registry or another one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from lllm_packages.defaults import get_default_runtime
from lllm_packages.names import is_section_name
from lllm_packages.registry import Runtime
from lllm_packages.sections import resource_type_of

__all__ = ["load_config", "load_prompt", "load_resource", "load_tactic"]


def load_prompt(path: str, runtime: Runtime | None = None) -> Any:
    """Return a prompt.

    Args:
        path: `path`, `package:path` or `package.prompts:path`, where the path is a key, a prompt's own path, or
            the path of a module with one prompt.
        runtime: The registry; None for the default one.

    Raises:
        KeyError: There is none, or several; the text names what is close.
        ImportError: The module that defines it cannot be imported.
    """
    return _registry(runtime).get(path, "prompt")


def load_tactic(path: str, runtime: Runtime | None = None) -> Any:
    """Return a tactic class.

    Args:
        path: `name`, `package:name` or `package.tactics:name`.
        runtime: The registry; None for the default one.

    Raises:
        KeyError: There is none, or several; the text names what is close.
        ImportError: The module that defines it cannot be imported.
    """
    return _registry(runtime).get(path, "tactic")


def load_config(path: str, runtime: Runtime | None = None) -> Any:
    """Return a copy of a config as its file has it; `base` is not resolved.

    Args:
        path: `name`, `package:name` or `package.configs:name`.
        runtime: The registry; None for the default one.

    Raises:
        KeyError: There is none, or several; the text names what is close.
        ValueError: The file is not valid YAML, TOML or JSON.
    """
    return deepcopy(_registry(runtime).get(path, "config"))


def load_resource(path: str, runtime: Runtime | None = None) -> Any:
    """Return a resource of any section.

    Args:
        path: `package.section:key`, or `section:key` for the default package.
        runtime: The registry; None for the default one.

    Raises:
        ValueError: The path has another form.
        KeyError: There is no such resource.
        ImportError: The module that defines it cannot be imported.
    """
    package, section, key = _split(path)
    registry = _registry(runtime)
    owner = package or registry.default_namespace
    return registry.get(f"{owner}.{section}:{key}" if owner else path, resource_type_of(section))


def _split(path: object) -> tuple[str, str, str]:
    """Split `package.section:key` into its parts; without a package the first one is empty."""
    namespace, _, key = path.partition(":") if isinstance(path, str) else ("", "", "")
    package, dot, section = namespace.rpartition(".")
    if not key or not is_section_name(section) or (dot and not package):
        raise ValueError(
            f"load_resource requires a path of the form `package.section:key` or `section:key`, got {path!r}."
        )
    return package, section, key


def _registry(runtime: Runtime | None) -> Runtime:
    return runtime if runtime is not None else get_default_runtime()

"""The error for a key that finds nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from lllm_packages.members import OpaqueModule
from lllm_packages.node import ResourceNode

__all__ = ["missing_error"]


def missing_error(
    key: str, resource_type: str | None, nodes: Iterable[ResourceNode], modules: Iterable[OpaqueModule]
) -> Exception:
    """Return the error to raise for a key that finds nothing.

    Args:
        key: The key.
        resource_type: The wanted type, or None for any.
        nodes: Everything that is registered.
        modules: The modules whose source does not tell what they hold.

    Returns:
        TypeError when the key belongs to a resource of another type, ImportError when a module that cannot be
        imported should define it, else KeyError with the keys that come closest.
    """
    nodes = list(nodes)
    for node in nodes:
        if node.qualified_key == key and resource_type not in {None, node.resource_type}:
            return TypeError(f"Resource '{key}' is type '{node.resource_type}', expected '{resource_type}'")
    name = key.rpartition(":")[2]
    failed = [
        module
        for module in modules
        if module.error is not None and resource_type in {None, module.source.resource_type}
    ]
    for module in failed:
        if module.may_hold(name):
            return _import_error(key, module)
    error = KeyError(f"Resource '{key}' not found. Did you mean: {_close(key, resource_type, nodes)}?")
    for module in failed:
        error.add_note(f"{module.source.file} could not be imported, and may define it: {module.error}")
    return error


def _import_error(key: str, module: OpaqueModule) -> ImportError:
    error = ImportError(
        f"Resource '{key}' cannot be loaded: {module.source.file} of package `{module.source.home.package}` fails: "
        f"{module.error}",
        name=module.source.module,
        path=str(module.source.file),
    )
    cause = module.error
    error.__cause__ = cause.__cause__ if isinstance(cause, ImportError) and cause.__cause__ else cause
    return error


def _close(key: str, resource_type: str | None, nodes: Iterable[ResourceNode]) -> list[str]:
    wanted = [node for node in nodes if resource_type in {None, node.resource_type}]
    names = {node.qualified_key: node.qualified_key for node in wanted}
    for node in wanted:
        names.setdefault(node.key, node.qualified_key)
        names.setdefault(node.key.rpartition("/")[2], node.qualified_key)
    close = get_close_matches(key, list(names), n=5)
    if ":" in key:
        close += get_close_matches(key.partition(":")[2], list(names), n=5)
    return list(dict.fromkeys(names[name] for name in close))[:5]

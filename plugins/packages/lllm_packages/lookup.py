"""The rules by which a key finds a resource. The first rule with a hit wins.

1. The exact qualified key.
2. A bare key in the default package, in the section of the wanted type.
3. `package:key` in that section of the package.
4. A prompt of the package by its own path, or by the path of its module; a tool by its name likewise.
5. A bare key that exactly one package has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lllm_packages.index import ResourceIndex, package_of
from lllm_packages.node import ResourceNode
from lllm_packages.sections import section_of

__all__ = ["ANY_TYPE", "find_node"]

ANY_TYPE = ("prompt", "proxy", "tactic", "config")
"""The types that a look-up without a type tries, in this order."""


def find_node(
    index: ResourceIndex,
    key: str,
    resource_type: str | None,
    default: str | None,
    aliases: Mapping[str, str],
) -> ResourceNode | None:
    """Return the node that a key means, or None.

    Args:
        index: The nodes.
        key: The key as the user wrote it.
        resource_type: The wanted type, or None for any.
        default: The package in which bare keys are looked up first, or None.
        aliases: Names of packages by their aliases.

    Raises:
        KeyError: The key is ambiguous; the text names what it may mean.
    """
    types = (resource_type,) if resource_type is not None else ANY_TYPE
    every = types if resource_type is not None else tuple(dict.fromkeys((*ANY_TYPE, *index.types())))
    for kind in every:
        if (node := index.get(key, kind)) is not None:
            return node
    namespace, colon, name = key.partition(":")
    package: str | None = namespace if colon else default
    name = name if colon else key
    if package is not None:
        for kind in types:
            if (node := index.get(f"{package}.{section_of(kind)}:{name}", kind)) is not None:
                return node
    if package is not None:
        for kind in types:
            owner = package_of(package) if package.endswith(f".{section_of(kind)}") else package
            if candidates := index.named(aliases.get(owner, owner), name, kind):
                return _only(key, candidates)
    return None if colon else _anywhere(index, key, every)


def _anywhere(index: ResourceIndex, key: str, types: Iterable[str]) -> ResourceNode | None:
    for kind in types:
        candidates = list(index.bare(key, kind))
        candidates += [node for package in index.packages() for node in index.named(package, key, kind)]
        if candidates:
            return _only(key, candidates)
    return None


def _only(key: str, candidates: list[ResourceNode]) -> ResourceNode:
    names = sorted({node.qualified_key for node in candidates})
    if len(names) > 1:
        raise KeyError(f"Resource '{key}' is ambiguous: {names}")
    return candidates[0]

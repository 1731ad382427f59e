"""The nodes of a registry, arranged for each way of looking one up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lllm_packages.node import ResourceNode

__all__ = ["ResourceIndex", "package_of"]


def package_of(namespace: str) -> str:
    """Return the package of a namespace `<package>.<section>`.

    Args:
        namespace: The namespace; one without a dot is returned as it is.
    """
    package, dot, _ = namespace.rpartition(".")
    return package if dot else namespace


class ResourceIndex:
    """Every node by its qualified key and its bare key; prompts and tools also by their own names and modules."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], ResourceNode] = {}
        self._bare: dict[tuple[str, str], list[ResourceNode]] = {}
        self._own_names: dict[tuple[str, str, str], list[ResourceNode]] = {}
        self._modules: dict[tuple[str, str, str], list[ResourceNode]] = {}

    def __contains__(self, node: ResourceNode) -> bool:
        return (node.qualified_key, node.resource_type) in self._nodes

    def __iter__(self) -> Iterator[ResourceNode]:
        """Yield the nodes by qualified key and type."""
        return iter([self._nodes[place] for place in sorted(self._nodes)])

    def add(self, node: ResourceNode) -> None:
        """Enter a node; one with the same qualified key and type is replaced.

        Args:
            node: The node.
        """
        self.remove([node])
        self._nodes[node.qualified_key, node.resource_type] = node
        for table, place in self._places(node):
            table.setdefault(place, []).append(node)

    def remove(self, nodes: Iterable[ResourceNode]) -> None:
        """Take out the nodes that have the qualified keys and types of these.

        Args:
            nodes: The nodes; what is not there is passed over.
        """
        for node in nodes:
            old = self._nodes.pop((node.qualified_key, node.resource_type), None)
            for table, place in self._places(old) if old is not None else ():
                table[place] = [other for other in table[place] if other is not old]

    def get(self, key: str, resource_type: str) -> ResourceNode | None:
        """Return the node of a qualified key and a type.

        Args:
            key: The qualified key.
            resource_type: The type.
        """
        return self._nodes.get((key, resource_type))

    def bare(self, key: str, resource_type: str) -> list[ResourceNode]:
        """Return the nodes of a key in every namespace; what only repeats another under an alias is left out.

        Args:
            key: The key without namespace.
            resource_type: The type.
        """
        return self._bare.get((key, resource_type), [])

    def named(self, package: str, name: str, resource_type: str) -> list[ResourceNode]:
        """Return the prompts or tools of a package that a name other than the key may mean.

        Args:
            package: Name of the package.
            name: The own name of a prompt (its path) or of a tool, or the path of a module: one with a single
                resource, or with one that has the last part of that path as its own name.
            resource_type: The type; only prompts and tools have own names inside their keys.

        Returns:
            The candidates; more than one when the name is ambiguous.
        """
        own = self._own_names.get((package, name, resource_type), [])
        if len(own) == 1:
            return own
        inside = self._modules.get((package, name, resource_type), [])
        if len(inside) > 1:
            last = name.rpartition("/")[2]
            inside = [node for node in inside if node.metadata["own_name"] == last]
        return inside if len(inside) == 1 else own or inside

    def types(self) -> list[str]:
        """Return the types of which there are nodes, sorted."""
        return sorted({resource_type for _, resource_type in self._nodes})

    def packages(self) -> list[str]:
        """Return the packages whose resources have own names, sorted."""
        return sorted({package for package, _, _ in self._own_names})

    def _places(self, node: ResourceNode) -> list[tuple[dict[Any, list[ResourceNode]], tuple[str, ...]]]:
        if "alias_of" in node.metadata or not node.namespace:
            return []
        places: list[tuple[dict[Any, list[ResourceNode]], tuple[str, ...]]] = [
            (self._bare, (node.key, node.resource_type))
        ]
        if "own_name" in node.metadata:
            package = package_of(node.namespace)
            places += [
                (self._own_names, (package, node.metadata["own_name"], node.resource_type)),
                (self._modules, (package, node.metadata["module"], node.resource_type)),
            ]
        return places

"""What a registry has not looked into yet: sections to scan, and modules to import when nothing else is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from lllm_packages.members import OpaqueModule
from lllm_packages.node import ResourceNode
from lllm_packages.sections import Section

__all__ = ["Unscanned"]


Namespaces = tuple[str, ...]


class Unscanned:
    """The sections that wait for a scan and the opaque modules of those that were scanned.

    The caller holds the registry's lock, except while `import_modules` runs code of packages.
    """

    def __init__(self) -> None:
        self._sections: list[tuple[Section, Namespaces]] = []
        self._modules: list[tuple[OpaqueModule, Namespaces]] = []

    def add(self, section: Section, namespaces: Iterable[str]) -> None:
        """Add a section.

        Args:
            section: The section.
            namespaces: Further namespaces for its resources.
        """
        self._sections.append((section, tuple(namespaces)))

    def has_sections(self) -> bool:
        """Tell whether any section waits."""
        return bool(self._sections)

    def scan(self, resource_type: str | None) -> tuple[list[ResourceNode], list[str]]:
        """Scan the sections that hold resources of a type.

        The sections count as waiting until `scanned` is called, so that no other thread misses their nodes.

        Args:
            resource_type: The type, or None for all.

        Returns:
            The nodes, and what the user should know.
        """
        nodes: list[ResourceNode] = []
        notices: list[str] = []
        for section, namespaces in self._sections:
            if resource_type in {None, section.resource_type}:
                scan = section.scan()
                nodes += _with_aliases(scan.nodes, namespaces)
                notices += scan.notices
                self._modules += [(module, namespaces) for module in scan.opaque]
        return nodes, notices

    def scanned(self, resource_type: str | None) -> None:
        """Take out the sections that hold resources of a type.

        Args:
            resource_type: The type, or None for all.
        """
        self._sections = [
            item for item in self._sections if resource_type not in {None, item[0].resource_type}
        ]

    def modules(self) -> list[OpaqueModule]:
        """Return the opaque modules."""
        return [module for module, _ in self._modules]

    def import_modules(
        self,
        register: Callable[[list[ResourceNode]], None],
        resource_type: str | None,
        name: str | None = None,
    ) -> list[str]:
        """Import the opaque modules that may hold resources of a type; each is imported once.

        Args:
            register: Called with the resources of each.
            resource_type: The type, or None for all.
            name: Only those whose path or text has this name; None for all.

        Returns:
            The errors of the modules that failed.
        """
        notices: list[str] = []
        for module, namespaces in list(self._modules):
            if module.is_done or resource_type not in {None, module.source.resource_type}:
                continue
            if name is None or module.may_hold(name):
                try:
                    module.open(partial(_register, register, namespaces))
                except ImportError as error:
                    notices.append(str(error))
        return notices

    def drop(self, base_dir: Path) -> None:
        """Forget a package.

        Args:
            base_dir: Its folder.
        """
        self._sections = [item for item in self._sections if item[0].home.base_dir != base_dir]
        self._modules = [item for item in self._modules if item[0].source.home.base_dir != base_dir]


def _register(
    register: Callable[[list[ResourceNode]], None], namespaces: Namespaces, nodes: list[ResourceNode]
) -> None:
    register(_with_aliases(nodes, namespaces))


def _with_aliases(nodes: Iterable[ResourceNode], namespaces: Namespaces) -> list[ResourceNode]:
    """Return the nodes and, for each further namespace, nodes there that share their values."""
    found: list[ResourceNode] = []
    for node in nodes:
        found += [node, *map(node.under, namespaces)]
    return found

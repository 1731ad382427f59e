"""What a registry has not looked into yet: sections to scan, and modules to import when nothing else is found."""

from __future__ import annotations

from collections.abc import Iterable
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
        self, resource_type: str | None, name: str | None = None
    ) -> tuple[list[ResourceNode], list[str]]:
        """Import the opaque modules that may hold resources of a type; each is imported once.

        Args:
            resource_type: The type, or None for all.
            name: Only those whose path or text has this name; None for all.

        Returns:
            The nodes, and the errors of the modules that failed.
        """
        nodes: list[ResourceNode] = []
        notices: list[str] = []
        for module, namespaces in list(self._modules):
            if resource_type not in {None, module.source.resource_type} or module.is_done:
                continue
            if name is None or module.may_hold(name):
                try:
                    nodes += _with_aliases(module.nodes(), namespaces)
                except ImportError as error:
                    notices.append(str(error))
        return nodes, notices

    def drop(self, base_dir: Path) -> None:
        """Forget a package.

        Args:
            base_dir: Its folder.
        """
        self._sections = [item for item in self._sections if item[0].home.base_dir != base_dir]
        self._modules = [item for item in self._modules if item[0].source.home.base_dir != base_dir]


def _with_aliases(nodes: Iterable[ResourceNode], namespaces: Namespaces) -> list[ResourceNode]:
    """Return the nodes and, for each further namespace, nodes there that share their values."""
    found: list[ResourceNode] = []
    for node in nodes:
        found += [node, *map(node.under, namespaces)]
    return found

"""The resources of one section of a package: its files, turned into nodes. No code of the package runs here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lllm_packages.documents import CONFIG_SUFFIXES, read_asset, read_config
from lllm_packages.members import OpaqueModule, PythonFile
from lllm_packages.modules import ModuleHome
from lllm_packages.node import ResourceNode
from lllm_packages.prompt_files import load_markdown_prompt, markdown_path
from lllm_packages.source_scan import scan_file

__all__ = ["SECTION_TYPES", "Section", "SectionScan", "resource_type_of", "section_of"]

SECTION_TYPES = {
    "prompts": "prompt",
    "configs": "config",
    "tactics": "tactic",
    "proxies": "proxy",
    "tools": "tool",
    "assets": "asset",
}
"""The type of the resources in each of the sections that every package has."""

_SECTION_NAMES = {kind: section for section, kind in SECTION_TYPES.items()}
_PYTHON_SECTIONS = frozenset({"prompts", "tactics", "proxies", "tools"})


def resource_type_of(section: str) -> str:
    """Return the resource type of a section; `generic` for the sections that a package adds.

    Args:
        section: Name of the section.
    """
    return SECTION_TYPES.get(section, "generic")


def section_of(resource_type: str) -> str:
    """Return the section in which resources of a type stand.

    Args:
        resource_type: The type.
    """
    return _SECTION_NAMES.get(resource_type, resource_type)


@dataclass(slots=True)
class SectionScan:
    """What a scan of a section found.

    Attributes:
        nodes: The resources that are certain.
        opaque: The modules that may hold more.
        notices: What the user should know, one sentence each.
    """

    nodes: list[ResourceNode] = field(default_factory=list)
    opaque: list[OpaqueModule] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a loaded package.

    Attributes:
        name: Name of the section.
        namespace: `<package>.<section>`.
        home: Where the modules of the package lie.
    """

    name: str
    namespace: str
    home: ModuleHome

    @property
    def resource_type(self) -> str:
        """The type of its resources."""
        return resource_type_of(self.name)

    def scan(self) -> SectionScan:
        """List the files of the section and read what they define."""
        scan = SectionScan()
        for index, folder in enumerate(self.home.sections[self.name]):
            for parts, file in _files(folder.path, folder.only):
                path = [*folder.under, *parts]
                if self.name in _PYTHON_SECTIONS:
                    self._add_source(scan, index, folder.under, parts, file)
                elif self.name != "configs":
                    scan.nodes.append(self._file_node("/".join(path), file, read_asset))
                elif file.suffix.lower() in CONFIG_SUFFIXES:
                    stem = [*path[:-1], Path(path[-1]).stem]
                    scan.nodes.append(self._file_node("/".join(stem), file, read_config))
        scan.nodes = _without_doubles(scan.nodes, self.home.package, scan.notices)
        return scan

    def _add_source(
        self, scan: SectionScan, index: int, under: tuple[str, ...], parts: list[str], file: Path
    ) -> None:
        stem = [*parts[:-1], Path(parts[-1]).stem]
        if file.suffix == ".md" and self.name == "prompts" and stem[-1].lower() != "readme":
            scan.nodes.append(self._markdown_node("/".join((*under, *stem)), file))
        if file.suffix != ".py":
            return
        module = PythonFile(
            home=self.home,
            folder=index,
            parts=tuple(stem),
            file=file,
            namespace=self.namespace,
            resource_type=self.resource_type,
            path="/".join((*under, *stem)),
            under="/".join(under),
        )
        found = scan_file(file)
        if found.error is not None:
            scan.notices.append(
                f"{file} of package `{self.home.package}` cannot be read: {type(found.error).__name__}: {found.error}"
            )
        scan.nodes += map(module.node, found.definitions.get(self.resource_type, ()))
        if self.resource_type in found.opaque:
            scan.opaque.append(OpaqueModule(module, found.error))

    def _file_node(self, key: str, file: Path, load: Any) -> ResourceNode:
        metadata = {"file_path": str(file), "package": self.home.package}
        return ResourceNode.lazy(key, partial(load, file), self.namespace, self.resource_type, metadata)

    def _markdown_node(self, path: str, file: Path) -> ResourceNode:
        name = markdown_path(file)
        metadata = {
            "file_path": str(file),
            "package": self.home.package,
            "module": path,
            "own_name": name,
        }
        load = partial(load_markdown_prompt, file, name)
        return ResourceNode.lazy(f"{path}/{name}", load, self.namespace, "prompt", metadata)


def _without_doubles(nodes: Iterable[ResourceNode], package: str, notices: list[str]) -> list[ResourceNode]:
    """Keep the first node of each key, and say which files are left out."""
    kept: dict[str, ResourceNode] = {}
    for node in nodes:
        first = kept.setdefault(node.key, node)
        if first is not node:
            notices.append(
                f"Resource '{node.key}' of package `{package}` is defined in {first.metadata['file_path']} and in "
                f"{node.metadata['file_path']}; the first one is used."
            )
    return list(kept.values())


def _files(folder: Path, only: str | None) -> Iterator[tuple[list[str], Path]]:
    """Yield the files below a folder with their paths from it, hidden and private ones left out, in a fixed order."""
    if only is not None:
        yield [only], folder / only
        return
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_public(name))
        parts = list(Path(base).relative_to(folder).parts)
        for name in sorted(filter(_is_public, names), key=_order):
            yield [*parts, name], Path(base, name)


def _is_public(name: str) -> bool:
    return name[0] not in "._"


def _order(name: str) -> tuple[str, int]:
    stem, dot, suffix = name.rpartition(".")
    ending = f"{dot}{suffix}".lower()
    return stem, CONFIG_SUFFIXES.index(ending) if ending in CONFIG_SUFFIXES else -1

"""Loading packages into a registry: their own resources, their dependencies, and what is installed."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from lllm_packages.modules import Folder, claim_home
from lllm_packages.package_file import (
    Dependency,
    PackageFile,
    bare_package,
    escapes,
    file_in,
    read_package_file,
)
from lllm_packages.package_info import PackageInfo
from lllm_packages.receipt import read_receipt
from lllm_packages.registry import Runtime
from lllm_packages.search import packages_in, shared_packages
from lllm_packages.sections import Section
from lllm_packages.settings import PROJECT_FOLDER

__all__ = ["BUNDLE_INDEX", "FALLBACK_SECTIONS", "PackageLoader", "dependency_file", "package_file_at"]

FALLBACK_SECTIONS = ("prompts", "configs", "tactics")
"""The folders that make a package of a working directory without a package file."""

BUNDLE_INDEX = "bundle.json"
"""Beside bundled dependencies: which of them stands for which path, by package; `..` is the package around them."""


def package_file_at(path: str | os.PathLike[str]) -> Path:
    """Return the package file that a path names.

    Args:
        path: The file, or the folder that holds it.

    Raises:
        FileNotFoundError: There is none.
    """
    place = Path(path).expanduser()
    file = place if place.is_file() else file_in(place)
    if file is None:
        raise FileNotFoundError(f"No lllm.toml found at {place}; give the file or the folder that holds it.")
    return file.resolve()


class PackageLoader:
    """Loads packages into one registry, each folder once.

    Args:
        runtime: The registry.
        strict: Whether a faulty package raises instead of warning.
    """

    def __init__(self, runtime: Runtime, *, strict: bool = False) -> None:
        self._runtime = runtime
        self._strict = strict

    def load(self, file: Path, alias: str | None = None, *, shared: bool = False) -> PackageInfo | None:
        """Load a package and what it depends on.

        Args:
            file: The package file.
            alias: A second name for its resources.
            shared: Whether it is an installed package, whose paths may not lead out of its folder.

        Returns:
            The package; None when it is faulty and that was a warning, or when another one has its name.

        Raises:
            OSError: The file cannot be read, and the loader is strict.
            ValueError: The file is faulty or another package has the name, and the loader is strict.
        """
        try:
            package = read_package_file(file.resolve())
            if shared:
                _check_inside(package)
        except (OSError, ValueError) as error:
            self._fault(error)
            return None
        return self._enter(package, alias or read_receipt(package.base_dir).alias, shared=shared)

    def load_bare(self, folder: Path) -> PackageInfo | None:
        """Load the folders `prompts`, `configs` and `tactics` of a folder without a package file.

        Args:
            folder: The folder.

        Returns:
            The package; None when there is no such folder in it.
        """
        if not any((folder / section).is_dir() for section in FALLBACK_SECTIONS):
            return None
        return self._enter(bare_package(folder.resolve(), FALLBACK_SECTIONS), None, shared=False)

    def load_shared(self, project: Path | None) -> None:
        """Load what is installed: for a project, for the user, and as distributions.

        Args:
            project: The folder of the project, or None.
        """
        for file in shared_packages(project):
            self._load_installed(file)

    def _load_installed(self, file: Path) -> None:
        """Load an installed package unless another one of its name was loaded before, which hides it."""
        known = {info.name: info.base_dir for info in self._runtime.packages.values()}
        try:
            package = read_package_file(file.resolve())
        except (OSError, ValueError) as error:
            self._fault(error)
            return
        if known.get(package.name, package.base_dir) == package.base_dir:
            self.load(file, shared=True)

    def _fault(self, error: Exception) -> None:
        if self._strict:
            raise error
        warnings.warn(f"A package is left out: {error}", RuntimeWarning, stacklevel=2)

    def _enter(self, package: PackageFile, alias: str | None, *, shared: bool) -> PackageInfo | None:
        runtime = self._runtime
        infos = runtime.packages.values()
        for info in infos:
            if info.base_dir == package.base_dir and alias in {None, info.name, info.alias}:
                return info
        others = [info for info in infos if info.base_dir != package.base_dir]
        taken = {name: info.base_dir for info in others for name in (info.alias, info.name) if name}
        names = [name for name in dict.fromkeys((package.name, alias)) if name and name not in taken]
        if not names or alias in taken:
            self._fault(_name_taken(package, alias if alias in taken else package.name, taken))
            return None
        info = PackageInfo(package.name, package.version, package.description, package.base_dir, alias)
        is_known = info.base_dir in runtime.loaded_package_paths
        runtime.register_package(info)
        self._add_sections(package, names)
        if not is_known:
            self._load_dependencies(package, shared=shared)
        return info

    def _add_sections(self, package: PackageFile, names: list[str]) -> None:
        folders = {section: tuple(self._folders(package, section)) for section in package.sections}
        home = claim_home(package.name, package.base_dir, folders, self._runtime)
        for section in folders:
            aliases = [f"{name}.{section}" for name in names[1:]]
            self._runtime.add_section(Section(section, f"{names[0]}.{section}", home), aliases)

    def _folders(self, package: PackageFile, section: str) -> Iterable[Folder]:
        for entry in package.sections[section]:
            path = (package.base_dir / entry.path).resolve()
            under = tuple(entry.under.split("/")) if entry.under else ()
            if path.is_dir():
                yield Folder(path, under)
            elif path.is_file():
                yield Folder(path.parent, under, path.name)
            elif entry.named:
                warnings.warn(
                    f"[{section}] of {package.file} names {entry.path!r}, which does not exist.",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _load_dependencies(self, package: PackageFile, *, shared: bool) -> None:
        for dependency in package.dependencies:
            file = dependency_file(package, dependency)
            if file is not None:
                self.load(file, dependency.alias, shared=shared)
            else:
                warnings.warn(
                    f"{package.file} depends on {dependency.path!r}, where there is no lllm.toml.",
                    RuntimeWarning,
                    stacklevel=2,
                )
        for file in packages_in(package.base_dir / PROJECT_FOLDER) if shared else ():
            self._load_installed(file)


def _name_taken(package: PackageFile, name: str | None, taken: dict[str, Path]) -> ValueError:
    place = taken.get(name or "")
    return ValueError(
        f"`{name}`, for the package in {package.base_dir}, is the name of the one in {place}; use an alias."
    )


def _check_inside(package: PackageFile) -> None:
    for section, entries in package.sections.items():
        for entry in entries:
            if escapes(entry.path):
                raise ValueError(
                    f"Invalid path entry: {entry.path!r} in [{section}] of {package.file} leads out of the package."
                )


def dependency_file(package: PackageFile, dependency: Dependency) -> Path | None:
    """Return the package file of a dependency: where it says, or among the bundled packages.

    Args:
        package: The package that has the dependency.
        dependency: The dependency.

    Returns:
        The file, or None when it is in neither place.
    """
    place = package.base_dir / Path(dependency.path).expanduser()
    if place.is_file():
        return place
    found = file_in(place)
    if found is not None:
        return found
    inside = package.base_dir / PROJECT_FOLDER
    beside = package.base_dir.parent
    for folder in (inside, beside) if beside.name == PROJECT_FOLDER else (inside,):
        name = _bundled_name(folder, package.name, dependency.path) or Path(os.path.normpath(place)).name
        if (found := file_in(folder / name)) is not None:
            return found
    return None


def _bundled_name(folder: Path, package: str, path: str) -> str | None:
    """Return which bundled package stands for a dependency, as the export has noted it."""
    try:
        name = json.loads((folder / BUNDLE_INDEX).read_text(encoding="utf-8"))[package][path]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) and Path(name).name == name else None

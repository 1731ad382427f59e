"""The installed packages: listing and removing them."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lllm_packages.defaults import get_default_runtime
from lllm_packages.locations import SCOPES, check_scope, install_root
from lllm_packages.names import is_package_name
from lllm_packages.package_file import PackageFile, read_package_file
from lllm_packages.registry import Runtime
from lllm_packages.search import packages_in

__all__ = ["list_packages", "remove_package"]


@dataclass(frozen=True, slots=True)
class _Installed:
    """An installed package: its scope, its folder in the install root, and its package file."""

    scope: str
    folder: Path
    package: PackageFile


def _installed(scope: str | None, runtime: Runtime | None) -> Iterator[_Installed]:
    for name in SCOPES if scope is None else (check_scope(scope),):
        for file in packages_in(install_root(name, runtime)):
            try:
                yield _Installed(name, file.parent, read_package_file(file))
            except (OSError, ValueError) as error:
                warnings.warn(f"An installed package is left out: {error}", RuntimeWarning, stacklevel=2)


def list_packages(scope: str | None = None, *, runtime: Runtime | None = None) -> list[dict[str, str]]:
    """Return the installed packages.

    Args:
        scope: `user` or `project`; None for both.
        runtime: A registry whose project is meant; None for the project of the working directory.

    Returns:
        For each package its `name`, `version`, `description`, `scope` and `path`, sorted by scope and name.

    Raises:
        ValueError: There is no such scope.
    """
    return [
        {
            "name": item.package.name,
            "version": item.package.version,
            "description": item.package.description,
            "scope": item.scope,
            "path": str(item.folder),
        }
        for item in _installed(scope, runtime)
    ]


def remove_package(name: str, *, scope: str | None = None, runtime: Runtime | None = None) -> Path:
    """Remove an installed package, from the disk and from a registry.

    Args:
        name: Name of the package.
        scope: `user` or `project`; None to look in both.
        runtime: The registry that forgets its resources, and whose project is meant; None for the default one and
            the project of the working directory.

    Returns:
        The folder that was removed.

    Raises:
        FileNotFoundError: It is not installed.
        ValueError: It is installed in both scopes and none is given, or there is no such scope.
    """
    scopes = SCOPES if scope is None else (check_scope(scope),)
    roots = [install_root(item, runtime) for item in scopes] if is_package_name(name) else []
    found = [root / name for root in roots if os.path.lexists(root / name)]
    if not found:
        raise FileNotFoundError(f"Package '{name}' not found in any installed location.")
    if len(found) > 1:
        raise ValueError(
            f"Package '{name}' found in multiple locations: {[str(path) for path in found]}; give a scope."
        )
    folder = found[0]
    place = folder.resolve()
    _delete(folder)
    registry = runtime if runtime is not None else get_default_runtime()
    if registry.discovery_done:
        for key, info in registry.packages.items():
            if info.base_dir == place:
                registry.drop_package(key)
    return folder


def _delete(folder: Path) -> None:
    """Take a package out of sight with one rename, then delete it; a link is only unlinked."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return
    workshop = Path(tempfile.mkdtemp(prefix=".remove-", dir=folder.parent))
    try:
        folder.replace(workshop / folder.name)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()

"""Where packages are looked for: the project's package file, installed packages, installed distributions.

Nothing of a package is read or run here beyond the existence of its package file.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from lllm_packages.package_file import FILE_NAMES, file_in
from lllm_packages.settings import PROJECT_FOLDER, home, user_packages

__all__ = [
    "GROUP",
    "distributed_packages",
    "find_config_file",
    "packages_in",
    "project_folder",
    "shared_packages",
]

GROUP = "lllm.packages"
"""The entry-point group of distributions that carry a package; the target is the module of its folder."""

TEMPLATE_FOLDER = "template"


def find_config_file(start: str | os.PathLike[str] | None = None) -> Path | None:
    """Find the package file of the project.

    `$LLLM_CONFIG` names it, as a file or as its folder; when that does not exist there is a warning and no
    package. Otherwise it is searched upward: `lllm.toml`, `.lllm.toml` or `LLLM.toml` in each folder and in its
    sub-folder `template`. The climb ends at the home folder, at the border of a file system, and before a folder
    that belongs to another user.

    Args:
        start: Where the search begins; the working directory when it is None, and only then does the
            environment variable count.

    Returns:
        The absolute path of the file, or None.
    """
    if start is None and (named := os.environ.get("LLLM_CONFIG")):
        found = _named(Path(named).expanduser())
        if found is None:
            warnings.warn(
                f"LLLM_CONFIG names {named!r}, where there is no {' or '.join(FILE_NAMES)}; no package is loaded.",
                RuntimeWarning,
                stacklevel=2,
            )
        return found
    try:
        folder = Path(start if start is not None else Path.cwd()).resolve()
    except FileNotFoundError:  # the working directory was deleted
        return None
    return next((file for step in _climb(folder) if (file := _file_at(step)) is not None), None)


def _named(path: Path) -> Path | None:
    path = path.resolve()
    if path.is_file():
        return path
    return _file_at(path)


def _file_at(folder: Path) -> Path | None:
    return file_in(folder) or file_in(folder / TEMPLATE_FOLDER)


def _climb(folder: Path) -> Iterator[Path]:
    """Yield a folder and those above it, as far as they are the user's own."""
    yield folder
    top = home()
    ends = {top, top.resolve()} if top is not None else set()
    try:
        device = folder.stat().st_dev
        while folder not in ends and folder != folder.parent:
            folder = folder.parent
            status = folder.stat()
            if status.st_dev != device or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
                return
            yield folder
    except OSError:
        return


def project_folder() -> Path:
    """Return the folder of the project's package file, or the working directory when there is none."""
    file = find_config_file()
    return file.parent if file is not None else Path.cwd()


def packages_in(folder: Path) -> list[Path]:
    """Return the package files one level below a folder, sorted by the names of their folders.

    Args:
        folder: A folder of installed packages; it may be missing.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []
    found = (file_in(folder / name) for name in names if not name.startswith((".", "_")))
    return [file for file in found if file is not None]


def shared_packages(project: Path | None) -> list[Path]:
    """Return the package files of everything installed: for the project, for the user, as a distribution.

    Args:
        project: The folder of the project, or None.
    """
    files = packages_in(project / PROJECT_FOLDER) if project is not None else []
    user = user_packages()
    files += packages_in(user) if user is not None else []
    return files + distributed_packages()


def distributed_packages() -> list[Path]:
    """Return the package files of installed distributions that declare the entry-point group `lllm.packages`.

    Their modules are located and not imported.
    """
    targets = sorted({target for entry in dict.fromkeys(sys.path) for target in _targets(entry or os.curdir)})
    folders = (_module_folder(target) for target in targets)
    found = (file_in(folder) for folder in folders if folder is not None)
    return list(dict.fromkeys(file for file in found if file is not None))


def _targets(entry: str) -> Iterator[str]:
    try:
        with os.scandir(entry) as found:
            names = [item.name for item in found if item.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return
    header = f"[{GROUP}]".encode()
    for name in names:
        try:
            data = Path(entry, name, "entry_points.txt").read_bytes()
        except OSError:
            continue
        if header in data:
            # Nearly no distribution mentions the group, and this imports the whole plugin host.
            from lllm.plugins.entry_points import parse_entry_points

            pairs = parse_entry_points(data.decode("utf-8", "replace"), GROUP)
            yield from (target.partition(":")[0] for _, target in pairs if target)


def _module_folder(module: str) -> Path | None:
    """Return the folder of a module without importing it or a parent of it."""
    top, *inner = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    for part in inner:
        spec = PathFinder.find_spec(part, spec.submodule_search_locations or []) if spec is not None else None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin).parent if spec.origin else None

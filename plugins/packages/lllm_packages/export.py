"""Exporting a package as a zip archive that is the same, byte for byte, for the same files."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from lllm_packages.archive_index import MAX_MEMBERS, MAX_UNPACKED, check_ratio, fault_of_name, is_skipped
from lllm_packages.defaults import get_default_runtime
from lllm_packages.loading import BUNDLE_INDEX, dependency_file
from lllm_packages.package_file import FILE_NAMES, PackageFile, file_in, read_package_file
from lllm_packages.package_info import PackageInfo
from lllm_packages.registry import Runtime
from lllm_packages.settings import PROJECT_FOLDER

__all__ = ["export_package", "find_package", "package_files"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def export_package(
    package_name: str,
    output_path: str | os.PathLike[str],
    *,
    bundle_deps: bool = False,
    runtime: Runtime | None = None,
) -> Path:
    """Write a loaded package into a zip archive.

    Args:
        package_name: Name or alias of the package.
        output_path: The archive; `.zip` is added to a name that does not end in it.
        bundle_deps: Whether the packages that it depends on are put into it.
        runtime: The registry that has loaded the package; None for the default one.

    Returns:
        The archive.

    Raises:
        ValueError: No such package is loaded, it has no name of its own, or a file of it cannot be archived.
        OSError: The archive cannot be written.
    """
    info = find_package(package_name, runtime)
    file = file_in(info.base_dir)
    package = read_package_file(file) if file is not None else None
    if package is None or not package.is_named:
        raise ValueError(
            f"{info.base_dir} has no [package] name field in an lllm.toml, which exporting needs."
        )
    output = Path(output_path).expanduser().resolve()
    if output.suffix.lower() != ".zip":
        output = output.with_name(f"{output.name}.zip")
    output.parent.mkdir(parents=True, exist_ok=True)
    members = dict(_members(package, package.name, output))
    if bundle_deps:
        members |= _bundled(package, output)
    _check(members)
    _write(members, output)
    return output


def find_package(name: str, runtime: Runtime | None = None) -> PackageInfo:
    """Return a loaded package.

    Args:
        name: Its name or alias.
        runtime: The registry; None for the default one.

    Raises:
        ValueError: No such package is loaded.
    """
    packages = (runtime if runtime is not None else get_default_runtime()).packages
    for key, info in packages.items():
        if name in {key, info.alias}:
            return info
    raise ValueError(f"Package '{name}' not found in runtime. Available packages: {sorted(packages)}")


def package_files(folder: Path, leave_out: Path | None = None) -> Iterator[tuple[str, Path]]:
    """Yield the files of a package with their paths in it, sorted; hidden ones and installed packages are left out.

    Args:
        folder: The folder of the package.
        leave_out: A file that does not belong to it, such as the archive that is being written.

    Raises:
        ValueError: There is a link or a special file.
    """
    for base, folders, names in os.walk(folder):
        below = Path(base).relative_to(folder)
        folders[:] = sorted(
            name for name in folders if not is_skipped(name) and (below / name).as_posix() != PROJECT_FOLDER
        )
        for name in [*folders, *sorted(names)]:
            path, place = (below / name).as_posix(), Path(base, name)
            if place == leave_out or (is_skipped(name) and path not in FILE_NAMES):
                continue
            kind = place.lstat().st_mode
            if stat.S_ISLNK(kind):
                raise ValueError(
                    f"{place} is a symbolic link; an archive of a package holds plain files only."
                )
            if stat.S_ISREG(kind):
                yield path, place
            elif not stat.S_ISDIR(kind):
                raise ValueError(
                    f"{place} is a special file; an archive of a package holds plain files only."
                )


def _members(package: PackageFile, folder: str, output: Path) -> Iterator[tuple[str, Path | bytes]]:
    for path, place in package_files(package.base_dir, output):
        # A hidden package file would be left out on the other side.
        name = FILE_NAMES[0] if place == package.file else path
        yield f"{folder}/{name}", place


def _bundled(root: PackageFile, output: Path) -> dict[str, Path | bytes]:
    """Return the members of everything that a package depends on, and the index by which they are found."""
    members: dict[str, Path | bytes] = {}
    index: dict[str, dict[str, str]] = {}
    places = {root.name: root.base_dir}
    waiting = [root]
    while waiting:
        package = waiting.pop(0)
        for dependency in package.dependencies:
            file = dependency_file(package, dependency)
            if file is None:
                raise ValueError(
                    f"{package.file} depends on {dependency.path!r}, where there is no lllm.toml."
                )
            found = read_package_file(file.resolve())
            known = places.setdefault(found.name, found.base_dir)
            if known != found.base_dir:
                raise ValueError(
                    f"Two packages to bundle are named `{found.name}`: {known} and {found.base_dir}."
                )
            is_root = found.base_dir == root.base_dir
            index.setdefault(package.name, {})[dependency.path] = ".." if is_root else found.name
            prefix = f"{root.name}/{PROJECT_FOLDER}/{found.name}"
            if not is_root and f"{prefix}/{FILE_NAMES[0]}" not in members:
                members |= dict(_members(found, prefix, output))
                waiting.append(found)
    if index:
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        members[f"{root.name}/{PROJECT_FOLDER}/{BUNDLE_INDEX}"] = text.encode()
    return members


def _check(members: dict[str, Path | bytes]) -> None:
    """Refuse what an installation would refuse."""
    for name, item in members.items():
        if (reason := fault_of_name(name)) is not None:
            raise ValueError(f"{item!s} cannot be exported: it {reason}.")
    size = sum(item.stat().st_size for item in members.values() if isinstance(item, Path))
    if len(members) > MAX_MEMBERS or size > MAX_UNPACKED:
        raise ValueError(
            f"The package has {len(members)} files and {size} bytes; {MAX_MEMBERS} files and {MAX_UNPACKED} bytes "
            "are what can be exported."
        )


def _write(members: dict[str, Path | bytes], output: Path) -> None:
    """Write the archive beside its place and put it there with one rename."""
    with NamedTemporaryFile(dir=output.parent, prefix=".export-", suffix=".zip", delete=False) as stream:
        temporary = Path(stream.name)
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, item in sorted(members.items()):
                is_program = isinstance(item, Path) and item.stat().st_mode & stat.S_IXUSR
                info = zipfile.ZipInfo(name, _EPOCH)
                info.create_system = 3
                info.external_attr = (stat.S_IFREG | (0o755 if is_program else 0o644)) << 16
                data = item if isinstance(item, bytes) else item.read_bytes()
                archive.writestr(info, data, zipfile.ZIP_DEFLATED, 9)
            unpacked = sum(info.file_size for info in archive.infolist())
        check_ratio(temporary, unpacked)
        temporary.chmod(0o644)
        temporary.replace(output)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

"""`lllm.toml`: reading one into a record. Nothing is loaded and no other file is touched."""

from __future__ import annotations

import os
import re
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lllm_packages.names import check_package_name, folder_name, is_package_name, is_section_name

__all__ = [
    "FILE_NAMES",
    "LARGEST_FILE",
    "SECTIONS",
    "Dependency",
    "PackageFile",
    "PathEntry",
    "bare_package",
    "escapes",
    "file_in",
    "parse_package_file",
    "read_package_file",
]

FILE_NAMES = ("lllm.toml", ".lllm.toml", "LLLM.toml")
"""The names a package file may have, the preferred one first."""

LARGEST_FILE = 1 << 20
"""Bytes that a package file may have."""

SECTIONS = ("prompts", "configs", "tactics", "proxies", "tools", "assets")
"""The sections that every package has; a package file may add others."""

_UNDER = re.compile(r"(?P<path>.*\S)\s+under\s+(?P<under>\S+)")
_AS = re.compile(r"(?P<path>.*\S)\s+as\s+(?P<alias>\S+)")


@dataclass(frozen=True, slots=True)
class PathEntry:
    """One path of a section.

    Attributes:
        path: The folder or file, relative to the package file where it was written so.
        under: Prefix of the keys, such as `extra` or `a/b`; empty for none.
        named: Whether the package file names it; a default sub-folder may be missing.
    """

    path: str
    under: str = ""
    named: bool = True


@dataclass(frozen=True, slots=True)
class Dependency:
    """Another package that a package needs.

    Attributes:
        path: Its folder or package file, relative to the package file where it was written so.
        alias: A second name for its resources.
    """

    path: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A parsed package file.

    Attributes:
        file: Where it lies; the folder itself for a package without one.
        base_dir: The folder that paths count from.
        name: The declared name, else a name made from the folder.
        is_named: Whether the file declares the name.
        version: The version as written, or empty.
        description: The description as written, or empty.
        sections: Path entries by section, in the order of `SECTIONS` and then of the file.
        dependencies: The packages it needs.
    """

    file: Path
    base_dir: Path
    name: str
    is_named: bool
    version: str
    description: str
    sections: Mapping[str, tuple[PathEntry, ...]]
    dependencies: tuple[Dependency, ...]


def file_in(folder: Path) -> Path | None:
    """Return the package file directly inside a folder, or None.

    Args:
        folder: The folder.
    """
    for name in FILE_NAMES:
        file = folder / name
        if file.is_file():
            return file
        if os.path.lexists(file):
            warnings.warn(
                f"{file} is passed over: it is a folder, a device or a link that leads nowhere, not a file.",
                RuntimeWarning,
                stacklevel=2,
            )
    return None


def read_package_file(file: Path) -> PackageFile:
    """Read a package file.

    Args:
        file: The file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is too large, not UTF-8, not TOML, or says something that is not valid; the text names the
            file.
    """
    with file.open("rb") as stream:
        return parse_package_file(stream.read(LARGEST_FILE + 1), file)


def parse_package_file(data: bytes, file: Path) -> PackageFile:
    """Parse the content of a package file.

    Args:
        data: The content.
        file: Where it lies, or would lie.

    Raises:
        ValueError: It is too large, not UTF-8, not TOML, or says something that is not valid; the text names the
            file.
    """
    if len(data) > LARGEST_FILE:
        raise ValueError(
            f"{file} is larger than {LARGEST_FILE} bytes; a package file only says where things are."
        )
    try:
        document = tomllib.loads(data.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError(f"{file} is not valid TOML: a value nests too deeply") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{file} is not valid TOML: {error}") from error
    package = _table(document.get("package", {}), "package", file)
    name = package.get("name")
    return PackageFile(
        file=file,
        base_dir=file.parent,
        name=folder_name(file.parent.name)
        if name is None
        else check_package_name(name, f"[package] name in {file}:"),
        is_named=name is not None,
        version=_text(package, "version", file),
        description=_text(package, "description", file),
        sections=_sections(document, file),
        dependencies=_dependencies(_table(document.get("dependencies", {}), "dependencies", file), file),
    )


def bare_package(folder: Path, sections: tuple[str, ...]) -> PackageFile:
    """Return the record of a folder without a package file, whose sections are its sub-folders.

    Args:
        folder: The folder.
        sections: Names of the sub-folders that count.
    """
    return PackageFile(
        file=folder,
        base_dir=folder,
        name=folder_name(folder.name),
        is_named=False,
        version="",
        description="",
        sections={section: (PathEntry(section, named=False),) for section in sections},
        dependencies=(),
    )


def _table(value: Any, name: str, file: Path) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"`{name}` in {file} must be a table, got {type(value).__name__}.")


def _list(value: Any, message: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(message)


def _text(package: dict[str, Any], key: str, file: Path) -> str:
    value = package.get(key, "")
    if isinstance(value, str):
        return value
    raise ValueError(
        f"[package] {key} in {file} must be a string, got {type(value).__name__}; write it in quotes."
    )


def _sections(document: dict[str, Any], file: Path) -> dict[str, tuple[PathEntry, ...]]:
    known = {*SECTIONS, "package", "dependencies"}
    names = [
        *SECTIONS,
        *(name for name, value in document.items() if name not in known and isinstance(value, dict)),
    ]
    found: dict[str, tuple[PathEntry, ...]] = {}
    for name in names:
        if not is_section_name(name):
            raise ValueError(
                f"[{name}] in {file} is not a valid section name: use letters, digits, `_` and `-`."
            )
        table = _table(document.get(name, {}), name, file)
        if "paths" not in table:
            found[name] = (PathEntry(name, named=False),)
            continue
        items = _list(
            table["paths"], f"Invalid path entry: [{name}] paths in {file} must be a list of paths."
        )
        found[name] = tuple(_path_entry(item, name, file) for item in items)
    return found


def _path_entry(item: Any, section: str, file: Path) -> PathEntry:
    invalid = ValueError(
        f'Invalid path entry: {item!r} in [{section}] of {file}; write a path, "path under prefix" or '
        '{path = "...", under = "..."}.'
    )
    if isinstance(item, str):
        match = _UNDER.fullmatch(item.strip())
        path, under = (match["path"], match["under"]) if match else (item.strip(), "")
    elif isinstance(item, dict) and set(item) in ({"path"}, {"path", "under"}, {"path", "prefix"}):
        path, under = item["path"], item.get("under", item.get("prefix", ""))
    else:
        raise invalid
    if not (isinstance(path, str) and path.strip() and "\0" not in path and isinstance(under, str)):
        raise invalid
    prefix = under.strip().strip("/")
    if bool(under.strip()) != bool(prefix) or not _is_prefix(prefix):
        raise invalid
    return PathEntry(path, prefix)


def _is_prefix(text: str) -> bool:
    parts = text.split("/") if text else []
    return not any(part in {"", ".", ".."} or ":" in part or not part.isprintable() for part in parts)


def _dependencies(table: dict[str, Any], file: Path) -> tuple[Dependency, ...]:
    message = f"Invalid dependency entry: [dependencies] packages in {file} must be a list."
    items = _list(table.get("packages", []), message)
    return tuple(_dependency(item, file) for item in items)


def _dependency(item: Any, file: Path) -> Dependency:
    invalid = ValueError(
        f'Invalid dependency entry: {item!r} in {file}; write a path, "path as alias" or '
        '{path = "...", as = "..."}.'
    )
    alias: Any = None
    if isinstance(item, str):
        match = _AS.fullmatch(item.strip())
        path, alias = (match["path"], match["alias"]) if match else (item.strip(), None)
    elif isinstance(item, dict) and set(item) in ({"path"}, {"path", "as"}, {"path", "alias"}):
        path, alias = item["path"], item.get("as", item.get("alias"))
    else:
        raise invalid
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise invalid
    if alias is not None and not (isinstance(alias, str) and is_package_name(alias)):
        raise invalid
    return Dependency(path, alias)


def escapes(path: str) -> bool:
    """Tell whether a path of a package file leads out of the package's folder by its text alone.

    Args:
        path: The path as written.
    """
    plain = PurePosixPath(os.path.normpath(path.replace("\\", "/")))
    return plain.is_absolute() or ".." in plain.parts or re.match(r"[A-Za-z]:", path) is not None

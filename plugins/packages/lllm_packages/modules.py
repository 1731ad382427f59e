"""The modules of packages, under stable names: `lllm_pkg.<package>.<section>.<path>`.

A finder on `sys.meta_path` maps these names to files, so that the import system does the rest: modules are run
once, stand in `sys.modules`, import each other relatively and can be pickled from. A dot inside a name is written
`%2E`. The plain name of a package belongs to the folder that some registry has loaded it from; another folder of
the same name, loaded beside it, gets `@` and a digest of its path behind its name.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from threading import RLock, local
from types import ModuleType
from typing import Any, NoReturn
from weakref import WeakSet

from lllm_packages.source_scan import Stamp, stamp_of

__all__ = ["ROOT", "Folder", "ModuleHome", "claim_home", "import_file", "is_importing", "release_homes"]

ROOT = "lllm_pkg"
"""The first part of the name of every module of a package."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder, or one file, of a section.

    Attributes:
        path: The folder.
        under: The prefix of the keys, split at its slashes.
        only: Name of the one file that counts, or None for all of them.
    """

    path: Path
    under: tuple[str, ...] = ()
    only: str | None = None


@dataclass(frozen=True, slots=True)
class ModuleHome:
    """Where the modules of a package lie, and under which name they are imported.

    Attributes:
        segment: The second part of the names of its modules.
        package: Name of the package.
        base_dir: The folder of the package.
        sections: The folders of each section.
    """

    segment: str
    package: str
    base_dir: Path
    sections: Mapping[str, tuple[Folder, ...]]

    def module_name(self, section: str, index: int, parts: Sequence[str]) -> str:
        """Return the name of the module of a file.

        Args:
            section: Name of the section.
            index: Which folder of the section the file lies in, from 0.
            parts: The path below that folder, without the ending.
        """
        folder = self.sections[section][index]
        path = [*folder.under, *parts]
        found = _locate(self.sections[section], path)
        plain = found.file is None or found.file == _python_file(folder.path.joinpath(*parts))
        names = [ROOT, self.segment, section if plain else f"{section}@{index}", *map(_encode, path)]
        return ".".join(names)


_homes: dict[str, ModuleHome] = {}
_owners: dict[str, WeakSet[Any]] = {}
_stamps: dict[str, Stamp] = {}
_lock = RLock()
_thread = local()


def claim_home(
    package: str, base_dir: Path, sections: Mapping[str, tuple[Folder, ...]], owner: object
) -> ModuleHome:
    """Return the module names of a package, for as long as `owner` lives.

    Modules of the package that were imported from an older version of their files are forgotten, so that they
    are run again when they are next asked for.

    Args:
        package: Name of the package.
        base_dir: Its folder.
        sections: The folders of each section.
        owner: The registry that loads the package.
    """
    plain = _encode(package)
    with _lock:
        segment = (
            plain
            if _is_free(plain, base_dir)
            else f"{plain}@{sha256(str(base_dir).encode()).hexdigest()[:8]}"
        )
        former = _homes.get(segment)
        if former is not None and (former.base_dir != base_dir or _is_stale(segment)):
            _forget(segment)
        home = _homes[segment] = ModuleHome(segment, package, base_dir, sections)
        _owners.setdefault(segment, WeakSet()).add(owner)
    return home


def release_homes(owner: object, base_dir: Path | None = None) -> None:
    """Give up what a registry has claimed, and forget the modules that no other registry has.

    Args:
        owner: The registry.
        base_dir: The folder of the one package that is meant, or None for all.
    """
    with _lock:
        for segment, home in list(_homes.items()):
            if owner not in _owners[segment] or base_dir not in (None, home.base_dir):
                continue
            _owners[segment].discard(owner)
            if not _owners[segment]:
                _forget(segment)
                del _homes[segment], _owners[segment]


def import_file(home: ModuleHome, name: str, file: Path) -> ModuleType:
    """Import a module of a package.

    Args:
        home: The package.
        name: Name of the module.
        file: Its file, for the error.

    Raises:
        ImportError: The module raised while it was run, whatever it raised; KeyboardInterrupt alone passes.
    """
    current = _homes.get(home.segment)
    if current is not None and current.base_dir != home.base_dir:
        raise ImportError(
            f"Package `{home.package}` of {home.base_dir} was replaced by the one in {current.base_dir}; look the "
            "resource up again.",
            name=name,
            path=str(file),
        )
    outer = is_importing()
    _thread.importing = True
    try:
        return import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ImportError(
            f"{file} of package `{home.package}` cannot be imported: {type(error).__name__}: {error}",
            name=name,
            path=str(file),
        ) from error
    finally:
        _thread.importing = outer


def is_importing() -> bool:
    """Tell whether this thread is running a module of a package for the first time."""
    return getattr(_thread, "importing", False)


def _is_free(segment: str, base_dir: Path) -> bool:
    home = _homes.get(segment)
    return home is None or home.base_dir == base_dir or not _owners[segment]


def _is_stale(segment: str) -> bool:
    """Tell whether the file of an imported module has changed since."""
    for name in _loaded(segment):
        module = sys.modules[name]
        file = getattr(module, "__file__", None)
        if file is None:
            continue
        try:
            if _stamps.get(name) != stamp_of(Path(file)):
                return True
        except OSError:
            return True
    return False


def _loaded(segment: str) -> list[str]:
    top = f"{ROOT}.{segment}"
    return [name for name in list(sys.modules) if name == top or name.startswith(f"{top}.")]


def _forget(segment: str) -> None:
    for name in _loaded(segment):
        del sys.modules[name]
        _stamps.pop(name, None)


def _encode(part: str) -> str:
    return part.replace(".", "%2E")


def _python_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.py")


@dataclass(frozen=True, slots=True)
class _Location:
    """What a name stands for: a file, and the folders where its submodules are."""

    file: Path | None
    folders: tuple[str, ...]
    exists: bool = True


def _locate(folders: Sequence[Folder], parts: Sequence[str]) -> _Location:
    """Find the file or the folders of a name below the folders of a section."""
    found: list[str] = []
    exists = False
    for folder in folders:
        depth = len(folder.under)
        if tuple(parts[:depth]) != folder.under:
            exists = exists or folder.under[: len(parts)] == tuple(parts)
            continue
        path = folder.path.joinpath(*parts[depth:])
        if folder.only is not None and len(parts) > depth and path.name != folder.only.removesuffix(".py"):
            continue
        if (path / "__init__.py").is_file():
            return _Location(path / "__init__.py", (str(path),))
        if len(parts) > depth and _python_file(path).is_file():
            return _Location(_python_file(path), ())
        if path.is_dir():
            found.append(str(path))
    return _Location(None, tuple(found), exists or bool(found))


class _PackageLoader(SourceFileLoader):
    """Loads a module from its source and never from a bytecode file, whose age is known by the second only."""

    def path_stats(self, path: Any) -> NoReturn:
        raise OSError(f"no bytecode is kept for {path}")

    def exec_module(self, module: ModuleType) -> None:
        # From here on, tactic classes defined in packages stay out of the table of the running program.
        import lllm_packages.definitions  # noqa: F401

        _stamps[module.__name__] = stamp_of(Path(self.path))
        super().exec_module(module)


class _PackageFinder:
    """Finds the modules below `lllm_pkg`."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(ROOT):
            return None
        top, *parts = [part.replace("%2E", ".") for part in fullname.split(".")]
        if top != ROOT or not {"", ".", ".."}.isdisjoint(parts):
            return None
        if not parts:
            return _spec(fullname, _Location(None, ()))
        home = _homes.get(fullname.split(".")[1]) or _discovered(fullname.split(".")[1])
        return _spec(fullname, _find(home, parts[1:])) if home is not None else None


def _find(home: ModuleHome, parts: Sequence[str]) -> _Location:
    if parts:
        section, _, index = parts[0].partition("@")
        folders = home.sections.get(section, ())
        if index:
            folders = folders[int(index) : int(index) + 1] if index.isdecimal() else ()
        found = _locate(folders, parts[1:])
        if found.exists:
            return found
    return _locate((Folder(home.base_dir),), parts)


def _spec(fullname: str, location: _Location) -> ModuleSpec | None:
    if not location.exists:
        return None
    if location.file is None:
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = list(location.folders)
        return spec
    return spec_from_file_location(
        fullname,
        location.file,
        loader=_PackageLoader(fullname, str(location.file)),
        submodule_search_locations=list(location.folders) or None,
    )


def _discovered(segment: str) -> ModuleHome | None:
    """Return a home after the default registry has discovered its packages, as unpickling may need it."""
    from lllm_packages.defaults import get_default_runtime

    get_default_runtime().packages  # noqa: B018 - reading it discovers
    return _homes.get(segment)


sys.meta_path.insert(0, _PackageFinder)

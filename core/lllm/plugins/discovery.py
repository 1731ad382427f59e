"""Discovery: which installed distributions declare plugins. Nothing of them is imported here.

The scan opens only the `entry_points.txt` of each distribution, and reads the rest of its metadata only when that
file mentions the group: parsing METADATA is what makes the usual ways slow. There is no cache on disk, because the
scan is faster than reading one and is never stale. pathlib is not used: importing it costs more than the scan of
an ordinary environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lllm.plugins.entry_points import parse_entry_points, parse_metadata
from lllm.plugins.records import PluginRecord, normalise, one_line

__all__ = ["GROUP", "discover"]

GROUP = "lllm"
_HEADER = f"[{GROUP}]".encode()
_CHUNK = 65536
# Not blocking, so that a named pipe in place of the file cannot hold up the program.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_SUFFIXES = (".dist-info", ".egg-info")


def discover(path: Sequence[str] | None = None) -> tuple[PluginRecord, ...]:
    """Read which plugins are installed, in the order of distribution and plugin name.

    The first distribution of a name on the path hides later ones of that name, as it does for imports.

    Args:
        path: Directories (or zip files) to look in; `sys.path` and any custom finders when it is None.
    """
    records: list[PluginRecord] = []
    seen: set[str] = set()
    for entry in dict.fromkeys(sys.path if path is None else path):
        folder = entry or os.curdir
        installed = _list(folder)
        if installed is None:
            records += _read_elsewhere([entry], seen)
            continue
        for name, data in _mentioning(folder, installed):
            if installed[name] not in seen:
                records += _read_records(folder, name, data)
        seen.update(installed.values())
    if path is None and (finders := _custom_finders()):
        records += _read_elsewhere(None, seen, finders)
    return tuple(sorted(records, key=lambda record: (normalise(record.distribution), record.name)))


def _list(folder: str) -> dict[str, str] | None:
    """Return the metadata folders in a directory with the distributions that they belong to.

    None stands for what exists and cannot be listed.
    """
    if folder.endswith(".egg"):
        return None
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except FileNotFoundError:
        return {}
    except OSError:
        return None
    # An interrupted pip leaves folders that begin with `~`; they are not installed.
    return {
        name: normalise(name.rpartition(".")[0].partition("-")[0])
        for name in names
        if name.endswith(_SUFFIXES) and name[0] != "~"
    }


def _mentioning(folder: str, installed: Mapping[str, str]) -> list[tuple[str, bytes]]:
    """Return the metadata folders whose entry points mention the group, with the bytes of the file."""
    found = []
    for name in installed:
        path = f"{folder}/{name}/entry_points.txt"
        # Most distributions have no such file, and an exception costs more than asking.
        if os.access(path, os.F_OK) and (data := _read(path)) is not None and _HEADER in data:
            found.append((name, data))
    return [pair for pair in found if _is_current(folder, pair[0], installed)]


def _is_current(folder: str, name: str, installed: Mapping[str, str]) -> bool:
    """Tell which of several folders of one distribution counts, as broken upgrades leave them."""
    rivals = [other for other, distribution in installed.items() if distribution == installed[name]]
    return len(rivals) == 1 or name == max(rivals, key=lambda rival: _completeness(folder, rival))


def _completeness(path: str, name: str) -> tuple[bool, float, str]:
    for metadata in ("METADATA", "PKG-INFO"):
        try:
            return True, os.stat(f"{path}/{name}/{metadata}").st_mtime, name  # noqa: PTH116
        except OSError:
            continue
    return False, 0.0, name


def _read(path: str) -> bytes | None:
    # `open()` costs half as much again, and this runs once for every installed distribution.
    try:
        descriptor = os.open(path, _READ)
    except OSError:
        return None
    try:
        data = os.read(descriptor, _CHUNK)
        while len(data) % _CHUNK == 0 and (more := os.read(descriptor, _CHUNK)):
            data += more
        return data
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _read_records(parent: str, name: str, data: bytes) -> Iterator[PluginRecord]:
    """Read one distribution whose entry points mention the group."""
    folder = f"{parent}/{name}"
    stem = name.rpartition(".")[0]
    metadata = _read(f"{folder}/METADATA") or _read(f"{folder}/PKG-INFO")
    fields = parse_metadata(metadata.decode("utf-8", "replace")) if metadata else {}
    distribution = (fields.get("name") or [one_line(stem.partition("-")[0])])[0]
    version = (fields.get("version") or [one_line(stem.partition("-")[2])])[0] or None
    project = _editable_project(folder)
    problem = None
    if not fields.get("name") or not fields.get("version"):
        remedy = f"reinstall it: pip install --force-reinstall {distribution}"
        problem = f"the metadata in {folder} is incomplete; {remedy}"
    yield from _build(
        data,
        problem,
        PluginRecord(
            name="",
            distribution=distribution,
            version=version,
            entry_point="",
            location=project or os.path.abspath(parent),  # noqa: PTH100
            editable=project is not None,
            requires=_host_requirements(fields.get("requires-dist") or _egg_requirements(folder)),
            summary=(fields.get("summary") or [""])[0],
        ),
    )


def _build(data: bytes, problem: str | None, blank: PluginRecord) -> Iterator[PluginRecord]:
    try:
        entries = parse_entry_points(data.decode("utf-8"), GROUP)
    except UnicodeDecodeError as error:
        reason = f"entry_points.txt is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        remedy = f"reinstall it: pip install --force-reinstall {blank.distribution}"
        yield blank._replace(name=normalise(blank.distribution), problem=f"{reason}; {remedy}")
        return
    for name, target in dict(entries).items():
        twice = sum(entry == name for entry, _ in entries) > 1
        fault = (
            f"entry_points.txt declares `{name}` twice; the distribution needs a fix" if twice else problem
        )
        yield blank._replace(name=name, entry_point=target, problem=fault)


def _host_requirements(requirements: Iterable[str]) -> tuple[str, ...]:
    found = []
    for requirement in requirements:
        name = requirement.lstrip()
        end = next((i for i, c in enumerate(name) if not (c.isalnum() or c in "-_.")), len(name))
        if normalise(name[:end]) == "lllm":
            found.append(requirement)
    return tuple(found)


def _egg_requirements(folder: str) -> list[str]:
    """Read the unconditional requirements that older setuptools writes beside PKG-INFO."""
    text = (_read(f"{folder}/requires.txt") or b"").decode("utf-8", "replace")
    lines = []
    for line in text.splitlines():
        if line.startswith("["):
            break
        lines.append(line.strip())
    return lines


def _editable_project(folder: str) -> str | None:
    """Return the project folder of an editable install, None for any other install."""
    if folder.endswith(".egg-info"):
        return None
    data = _read(f"{folder}/direct_url.json")
    if data is None or b'"editable"' not in data:
        return None
    import json

    try:
        origin = json.loads(data)
        editable = origin["dir_info"]["editable"] is True
        return _path_of(origin["url"]) if editable else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _path_of(url: str) -> str:
    plain = url.removeprefix("file://")
    if plain[:1] == "/" and plain != url and {"%", "?", "#"}.isdisjoint(plain):
        return plain
    from urllib.parse import (
        unquote,
        urlsplit,
    )  # costs as much as all of discovery, so only where it is needed

    return unquote(urlsplit(url).path)


def _custom_finders() -> list[Any]:
    """Return the import finders, besides Python's own, that could know further distributions."""
    standard = {"PathFinder", "MetadataPathFinder"}
    return [
        finder
        for finder in sys.meta_path
        if getattr(finder, "__name__", type(finder).__name__) not in standard
        and getattr(finder, "find_distributions", None) is not None
    ]


def _read_elsewhere(
    path: list[str] | None, seen: set[str], finders: Sequence[Any] = ()
) -> list[PluginRecord]:
    """Read what cannot be listed as a directory, through importlib-metadata or the custom finders."""
    from importlib_metadata import DistributionFinder, distributions

    records: list[PluginRecord] = []
    sources = [distributions(path=path)] if path is not None else []
    try:
        context = DistributionFinder.Context()  # type: ignore[no-untyped-call]
        sources += [finder.find_distributions(context) for finder in finders]
        for source in sources:
            for distribution in source:
                records += _read_distribution(distribution, seen)
    except Exception as error:
        import logging

        origin = f"path entry `{path[0]}`" if path else "custom finder"
        logging.getLogger(__name__).warning("cannot read the distributions of a %s: %r", origin, error)
    return records


def _read_distribution(distribution: Any, seen: set[str]) -> list[PluginRecord]:
    name = one_line(distribution.metadata["Name"] or "")
    text = distribution.read_text("entry_points.txt") or ""
    if not name or normalise(name) in seen:
        return []
    seen.add(normalise(name))
    if f"[{GROUP}]" not in text:
        return []
    blank = PluginRecord(
        name="",
        distribution=name,
        version=one_line(distribution.version),
        entry_point="",
        location=str(distribution.locate_file("")),
        requires=_host_requirements(distribution.requires or []),
        summary=one_line(distribution.metadata.get("Summary") or ""),
    )
    return list(_build(text.encode(), None, blank))

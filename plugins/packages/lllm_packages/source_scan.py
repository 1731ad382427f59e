"""What a Python file of a package defines, read from its source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from lllm_packages.source_reader import Definition, read_definitions

__all__ = [
    "Definition",
    "SourceScan",
    "Stamp",
    "forget_scans",
    "imported_names",
    "scan_file",
    "scan_source",
    "stamp_of",
]

Stamp = tuple[int, int]
"""Modification time in nanoseconds and size in bytes: what tells one version of a file from the next."""

_NOTHING: dict[str, tuple[Definition, ...]] = {}
_KINDS = frozenset({"prompt", "proxy", "tactic", "tool"})


@dataclass(frozen=True, slots=True)
class SourceScan:
    """What one module defines.

    Attributes:
        definitions: What is certain, by the type of the resource: `prompt`, `tactic`, `tool` or `proxy`.
        opaque: The types of which an import may show more.
        error: Why the module cannot be read at all, or None.
    """

    definitions: dict[str, tuple[Definition, ...]]
    opaque: frozenset[str] = frozenset()
    error: Exception | None = None


_cache: dict[str, tuple[Stamp, SourceScan]] = {}
_cache_lock = Lock()


def stamp_of(file: Path) -> Stamp:
    """Return what tells this version of a file from the next.

    Args:
        file: The file.

    Raises:
        OSError: It is not there.
    """
    status = file.stat()
    return status.st_mtime_ns, status.st_size


def scan_file(file: Path) -> SourceScan:
    """Scan a file; an unchanged file is scanned once in a process.

    Args:
        file: The Python file. One that cannot be read or parsed gives a scan with an `error`.
    """
    name = str(file)
    try:
        stamp = stamp_of(file)
        with _cache_lock:
            cached = _cache.get(name)
        if cached is not None and cached[0] == stamp:
            return cached[1]
        scan = scan_source(file.read_bytes(), name)
    except OSError as error:
        return SourceScan(_NOTHING, _KINDS, error)
    with _cache_lock:
        _cache[name] = stamp, scan
    return scan


def forget_scans() -> None:
    """Forget every scan, so that the next look-up reads the files again."""
    with _cache_lock:
        _cache.clear()


def scan_source(source: bytes, name: str = "<source>") -> SourceScan:
    """Scan the source of a module.

    Args:
        source: The source as bytes; an encoding comment is honoured.
        name: Name of the file, for errors.
    """
    try:
        return SourceScan(*read_definitions(ast.parse(source, name)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return SourceScan(_NOTHING, _KINDS, error)


def imported_names(source: bytes) -> tuple[frozenset[str], tuple[tuple[int, str], ...]]:
    """Return the names that a module imports, and its star imports as level and module.

    Args:
        source: The source of a module that can be parsed.
    """
    names: set[str] = set()
    stars: list[tuple[int, str]] = []
    for node in _module_statements(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            stars.append((node.level, node.module or ""))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    return frozenset(names), tuple(stars)


def _module_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run in the scope of a module, those inside `if`, `try` and the like included."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            if isinstance(child, ast.stmt):
                yield child
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                waiting.append(child)

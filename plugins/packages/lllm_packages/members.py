"""Resources that are members of Python modules, and modules that must be imported to know their members."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import resolve_name
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from lllm_packages.modules import ModuleHome, import_file, is_importing
from lllm_packages.node import ResourceNode
from lllm_packages.source_scan import Definition, imported_names

__all__ = ["OpaqueModule", "PythonFile"]

_MISSING = object()


@dataclass(frozen=True, slots=True)
class PythonFile:
    """A Python file in a section of a package.

    Attributes:
        home: Where the modules of the package lie.
        folder: Which folder of the section it lies in, from 0.
        parts: Its path below that folder, without the ending.
        file: The file.
        namespace: `<package>.<section>`.
        resource_type: The type of the section's resources.
        path: The path of the file below the section without the ending, with the prefix of its folder.
        under: The prefix of its folder.
    """

    home: ModuleHome
    folder: int
    parts: tuple[str, ...]
    file: Path
    namespace: str
    resource_type: str
    path: str
    under: str

    @property
    def module(self) -> str:
        """The name of the module; found out when it is needed, because that looks at the disk."""
        return self.home.module_name(self.namespace.rpartition(".")[2], self.folder, self.parts)

    def node(self, definition: Definition) -> ResourceNode:
        """Return the node of a definition.

        Args:
            definition: What the source says.
        """
        return ResourceNode.lazy(
            self._key(definition.name),
            partial(self._load, definition),
            self.namespace,
            self.resource_type,
            self._metadata(definition),
        )

    def _key(self, name: str) -> str:
        if self.resource_type in {"prompt", "tool"}:
            return f"{self.path}/{name}"
        return f"{self.under}/{name}" if self.under else name

    def _metadata(self, definition: Definition) -> dict[str, Any]:
        known: dict[str, Any] = {
            "file_path": str(self.file),
            "line": definition.line,
            "module": self.path,
            "package": self.home.package,
        }
        return {**known, "own_name": definition.name} if self.resource_type in {"prompt", "tool"} else known

    def load(self) -> ModuleType:
        """Import the module.

        Raises:
            ImportError: It raised while it was run.
        """
        return import_file(self.home, self.module, self.file)

    def _load(self, definition: Definition) -> Any:
        member = getattr(self.load(), definition.attribute, _MISSING)
        if member is _MISSING:
            raise ImportError(
                f"{self.file} of package `{self.home.package}` defines no `{definition.attribute}` any more, or is "
                "still being imported.",
                name=self.module,
                path=str(self.file),
            )
        return self.mark(member, definition.name)

    def mark(self, member: Any, name: str) -> Any:
        """Note on a tactic class which package it belongs to, and return it.

        Args:
            member: The resource.
            name: Its name.
        """
        if self.resource_type == "tactic" and isinstance(member, type):
            member.tactic_path = f"{self.home.package}::{name}"  # type: ignore[attr-defined]
        return member

    def members(self) -> Iterator[tuple[Definition, Any]]:
        """Import the module and yield every resource of the section's type that it defines.

        Raises:
            ImportError: It raised while it was run.
        """
        module = self.load()
        imported = _Imported(module, self.file)
        for attribute, value in list(vars(module).items()):
            name = self._name(module, value)
            if name and not attribute.startswith("__") and not imported.covers(attribute, value):
                yield Definition(name, attribute, 1), value

    def _name(self, module: ModuleType, value: Any) -> str | None:
        """Return the name of a value when it is a resource of the section's type."""
        name: Any = None
        if self.resource_type == "tactic":
            # Importing this imports pydantic, which a package of configs alone does not need.
            from lllm_packages.definitions import is_registered_definition

            if (
                isinstance(value, type)
                and is_registered_definition(value)
                and value.__module__ == module.__name__
            ):
                name = getattr(value, "name", None)
        elif self.resource_type == "proxy":
            if isinstance(value, type) and value.__module__ == module.__name__:
                name = value.__dict__.get("name")
        else:
            import lllm

            is_prompt = self.resource_type == "prompt"
            kind: Any = lllm.Prompt if is_prompt else lllm.Function
            label = "path" if is_prompt else "name"
            name = getattr(value, label) if isinstance(value, kind) else None
        return name if isinstance(name, str) else None


class _Imported:
    """Tells which members of a module come from elsewhere."""

    def __init__(self, module: ModuleType, file: Path) -> None:
        self._names, stars = imported_names(file.read_bytes())
        package = module.__package__ or ""
        sources = [resolve_name("." * level + name, package) if level else name for level, name in stars]
        self._stars = [sys.modules[source] for source in sources if source in sys.modules]

    def covers(self, attribute: str, value: Any) -> bool:
        return attribute in self._names or any(
            getattr(star, attribute, _MISSING) is value for star in self._stars
        )


class OpaqueModule:
    """A module that has to be imported before one may say what it holds.

    Args:
        source: The file.
        error: Why its source cannot be read, or None.

    Attributes:
        is_done: Whether it has been imported, or need not be tried.
    """

    def __init__(self, source: PythonFile, error: BaseException | None = None) -> None:
        self.source = source
        self.error = error
        self.is_done = error is not None
        self._lock = RLock()
        self._is_running = False

    def open(self, register: Callable[[list[ResourceNode]], None]) -> None:
        """Import the module and register its resources, if that has not been done.

        Args:
            register: Called with the resources.

        Raises:
            ImportError: The module raised while it was run; that is kept as `error`, and it is not tried again.
        """
        # Code of packages may look up names while it is imported. It does not wait for what another thread
        # imports, because that may in turn wait for it.
        if not self._lock.acquire(blocking=not is_importing()):
            return
        try:
            if not self.is_done and not self._is_running:
                register(self._nodes())
                self.is_done = True
        finally:
            self._lock.release()

    def _nodes(self) -> list[ResourceNode]:
        self._is_running = True
        try:
            return [self._node(definition, value) for definition, value in self.source.members()]
        except (ImportError, OSError, SyntaxError) as error:
            self.error, self.is_done = error, True
            if isinstance(error, ImportError):
                raise
            raise ImportError(f"{self.source.file} cannot be read any more: {error}") from error
        finally:
            self._is_running = False

    def _node(self, definition: Definition, value: Any) -> ResourceNode:
        lazy = self.source.node(definition)
        value = self.source.mark(value, definition.name)
        return ResourceNode.eager(lazy.key, value, lazy.namespace, lazy.resource_type, lazy.metadata)

    def may_hold(self, name: str) -> bool:
        """Tell from its path and its text whether the module looks as though it should hold a resource.

        Args:
            name: The key that was asked for, without its namespace.
        """
        path = self.source.path
        if name == path or name.startswith(f"{path}/"):
            return True
        try:
            text = self.source.file.read_bytes()
        except OSError:
            return False
        last = name.rpartition("/")[2].encode()
        return any(quote + last + quote in text for quote in (b'"', b"'"))

"""`Runtime`: the registry of everything that packages and the program itself offer by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from lllm.names import check_text
from lllm_packages.index import ResourceIndex, package_of
from lllm_packages.lookup import ANY_TYPE, find_node
from lllm_packages.members import OpaqueModule
from lllm_packages.missing import missing_error
from lllm_packages.modules import release_homes
from lllm_packages.node import ResourceNode
from lllm_packages.package_info import PackageInfo
from lllm_packages.sections import Section
from lllm_packages.unscanned import Unscanned

__all__ = ["Runtime"]

Definitions = Callable[[], Mapping[str, Any]]


class Runtime:
    """A registry of resources: prompts, tactics, configs, tools and whatever else packages hold.

    Packages are scanned when a look-up first needs a section of theirs, and a module runs when one of its resources
    is asked for. Everything may be used from any thread.

    Args:
        discover: Called once with the registry before the first look-up, to load packages into it.

    Attributes:
        project_dir: The folder of the project that was loaded into it, or None.
    """

    def __init__(self, *, discover: Callable[[Runtime], object] | None = None) -> None:
        self.project_dir: Path | None = None
        self._lock = RLock()
        self._discover = discover
        self._is_discovering = False
        self._discovery_done = False
        self._definitions: Definitions | None = None
        self._clear()

    def _clear(self) -> None:
        self._index = ResourceIndex()
        self._found: dict[tuple[str, str | None], ResourceNode] = {}
        self._packages: dict[str, PackageInfo] = {}
        self._unscanned = Unscanned()
        self._default_namespace: str | None = None

    # Look-up

    def get(self, key: str, resource_type: str | None = None) -> Any:
        """Return a resource, loading it when that has not happened yet.

        Args:
            key: A key, `package:key` or `package.section:key`.
            resource_type: The wanted type, such as `prompt`; None for any.

        Raises:
            KeyError: There is none, or several; the text names what is close.
            TypeError: The key is that of a resource of another type.
            ImportError: The module that defines it cannot be imported.
        """
        node = self._found.get((key, resource_type))
        return (node or self.get_node(key, resource_type)).value

    def get_node(self, key: str, resource_type: str | None = None) -> ResourceNode:
        """Return the node of a resource without loading it.

        Args:
            key: A key, `package:key` or `package.section:key`.
            resource_type: The wanted type, or None for any.

        Raises:
            KeyError: There is none, or several.
            TypeError: The key is that of a resource of another type, or no string.
            ImportError: The module that should define it cannot be imported.
        """
        node = self._find(check_text(key, "key"), resource_type)
        if node is None:
            self._prepare(None)
            raise missing_error(key, resource_type, self._nodes(), self._unscanned.modules())
        return node

    def has(self, key: str, resource_type: str | None = None) -> bool:
        """Tell whether `get_node` would find a resource; never raises.

        Args:
            key: A key, `package:key` or `package.section:key`.
            resource_type: The wanted type, or None for any.
        """
        try:
            return self._find(key, resource_type) is not None
        except Exception:
            return False

    def _find(self, key: str, resource_type: str | None) -> ResourceNode | None:
        node = self._found.get((key, resource_type))
        if node is not None:
            return node
        self._prepare(resource_type)
        node = self._search(key, resource_type)
        # Modules that have the name in their text come first: mostly nothing else needs to be imported.
        for name in (key.rpartition(":")[2], None):
            if node is None:
                self._import_opaque(resource_type, name)
                node = self._search(key, resource_type)
        return node

    def _search(self, key: str, resource_type: str | None) -> ResourceNode | None:
        node: ResourceNode | None = None
        with self._lock:
            for kind in ANY_TYPE if resource_type is None else (resource_type,):
                if (node := self._index.get(key, kind)) is not None:
                    break
                # Not remembered: the program may define another class of this name at any time.
                if kind == "tactic" and (defined := self._defined(key)) is not None:
                    return defined
            if node is None:
                aliases = {info.alias: name for name, info in self._packages.items() if info.alias}
                node = find_node(self._index, key, resource_type, self._default_namespace, aliases)
            if node is not None:
                self._found[key, resource_type] = node
        return node

    def _defined(self, key: str) -> ResourceNode | None:
        cls = self._definitions().get(key) if self._definitions is not None else None
        return ResourceNode.eager(key, cls, resource_type="tactic") if cls is not None else None

    def keys(self, resource_type: str | None = None) -> list[str]:
        """Return the qualified keys, sorted.

        Modules that have to be imported to know what they hold are imported.

        Args:
            resource_type: The type that is meant, or None for all.
        """
        return sorted({node.qualified_key for node in self.iter_nodes(resource_type)})

    def iter_nodes(
        self, resource_type: str | None = None, *, run_modules: bool = True
    ) -> Iterator[ResourceNode]:
        """Yield the nodes in the order of their qualified keys.

        Args:
            resource_type: The type that is meant, or None for all.
            run_modules: Whether modules are imported where that is the way to know what they hold.
        """
        self._prepare(resource_type)
        if run_modules:
            self._import_opaque(resource_type)
        nodes = [node for node in self._nodes() if resource_type in {None, node.resource_type}]
        return iter(nodes)

    def iter_items(self, resource_type: str | None = None) -> Iterator[tuple[str, Any]]:
        """Yield pairs of qualified key and value in the order of the keys; values are loaded on the way.

        Args:
            resource_type: The type that is meant, or None for all.
        """
        return ((node.qualified_key, node.value) for node in self.iter_nodes(resource_type))

    def _nodes(self) -> list[ResourceNode]:
        with self._lock:
            nodes = list(self._index)
            names = list(self._definitions()) if self._definitions is not None else []
        known = {node.qualified_key for node in nodes if node.resource_type == "tactic"}
        nodes += [node for name in names if name not in known and (node := self._defined(name)) is not None]
        return sorted(nodes, key=lambda node: (node.qualified_key, node.resource_type))

    # Registration

    def register(self, node: ResourceNode, overwrite: bool = True) -> None:
        """Enter a resource.

        Args:
            node: The resource.
            overwrite: Whether one with the same qualified key and type is replaced.

        Raises:
            ValueError: The key is taken and `overwrite` is false.
        """
        with self._lock:
            if not overwrite and node in self._index:
                raise ValueError(f"Resource '{node.qualified_key}' already registered")
            self._index.add(node)
            self._found = {}

    def register_prompt(self, prompt: Any, overwrite: bool = True) -> None:
        """Register a prompt under its path.

        Args:
            prompt: The prompt.
            overwrite: Whether a prompt of that path is replaced.

        Raises:
            ValueError: The path is taken and `overwrite` is false.
        """
        self._register(prompt.path, prompt, "prompt", overwrite)

    def get_prompt(self, path: str) -> Any:
        """Return a prompt; see `get`.

        Args:
            path: `path`, `package:path` or `package.prompts:path`.
        """
        return self.get(path, "prompt")

    def register_tactic(self, name: str, tactic_class: Any, overwrite: bool = False) -> None:
        """Register a tactic class.

        Args:
            name: Its name.
            tactic_class: The class.
            overwrite: Whether a class of that name is replaced.

        Raises:
            ValueError: The name is taken and `overwrite` is false.
        """
        self._register(name, tactic_class, "tactic", overwrite)

    def get_tactic(self, name: str) -> Any:
        """Return a tactic class; see `get`.

        Args:
            name: `name`, `package:name` or `package.tactics:name`.
        """
        return self.get(name, "tactic")

    def register_config(self, name: str, config: Any, overwrite: bool = True) -> None:
        """Register a config.

        Args:
            name: Its name.
            config: The config, usually a dict.
            overwrite: Whether a config of that name is replaced.

        Raises:
            ValueError: The name is taken and `overwrite` is false.
        """
        self._register(name, config, "config", overwrite)

    def get_config(self, name: str) -> Any:
        """Return a config as it stands, without resolving `base`; see `get`.

        Args:
            name: `name`, `package:name` or `package.configs:name`.
        """
        return self.get(name, "config")

    def register_context_manager(self, cls: Any, overwrite: bool = True) -> None:
        """Register a context manager class under its `name`.

        Args:
            cls: The class.
            overwrite: Whether one of that name is replaced.

        Raises:
            ValueError: The class has no name, or the name is taken and `overwrite` is false.
        """
        name = getattr(cls, "name", None)
        if not isinstance(name, str) or not name:
            raise ValueError(f"Context manager `{cls.__name__}` must define `name` to be registered.")
        self._register(name, cls, "context_manager", overwrite)

    def get_context_manager(self, name: str) -> Any:
        """Return a context manager class; see `get`.

        Args:
            name: Its name.
        """
        return self.get(name, "context_manager")

    def _register(self, key: str, value: Any, resource_type: str, overwrite: bool) -> None:
        self.register(ResourceNode.eager(key, value, resource_type=resource_type), overwrite)

    # Packages

    @property
    def packages(self) -> dict[str, PackageInfo]:
        """The loaded packages by name, in the order in which they were loaded."""
        self._prepare_packages()
        return dict(self._packages)

    @property
    def default_namespace(self) -> str | None:
        """The package in which bare keys are looked up first: the first one that was loaded."""
        self._prepare_packages()
        return self._default_namespace

    @property
    def discovery_done(self) -> bool:
        """Whether packages have been discovered or loaded."""
        return self._discovery_done

    @property
    def loaded_package_paths(self) -> frozenset[Path]:
        """The folders of the loaded packages."""
        self._prepare_packages()
        return frozenset(info.base_dir for info in self._packages.values())

    def opaque_modules(self) -> list[OpaqueModule]:
        """Return the modules that must be imported to know what they hold, as far as sections were scanned."""
        return self._unscanned.modules()

    def register_package(self, info: PackageInfo) -> None:
        """Enter a package; the first one becomes the default namespace.

        Args:
            info: The package. Another one of the same name keeps that name; this one then has its alias alone.
        """
        with self._lock:
            known = self._packages.get(info.name)
            is_other = known is not None and known.base_dir != info.base_dir
            self._packages[info.effective_name if is_other else info.name] = info
            self._default_namespace = self._default_namespace or info.name
            self._found = {}

    def add_section(self, section: Section, namespaces: Iterable[str] = ()) -> None:
        """Add a section of a package, to be scanned when a look-up needs it.

        Args:
            section: The section.
            namespaces: Further namespaces under which its resources are registered.
        """
        with self._lock:
            self._unscanned.add(section, namespaces)
            self._found = {}

    def drop_package(self, name: str) -> None:
        """Forget a package and its resources; what the program registered itself stays.

        Args:
            name: Name of the package.
        """
        with self._lock:
            info = self._packages.pop(name, None)
            if info is None:
                return
            self._unscanned.drop(info.base_dir)
            own = {name, info.alias}
            self._index.remove(
                [
                    node
                    for node in self._index
                    if "package" in node.metadata and package_of(node.namespace) in own
                ]
            )
            if self._default_namespace == name:
                self._default_namespace = next(iter(self._packages), None)
            self._found = {}
        release_homes(self, info.base_dir)

    def reset(self) -> None:
        """Forget everything; nothing is discovered again by itself."""
        with self._lock:
            self._discover = None
            self._discovery_done = False
            self.project_dir = None
            self._clear()
        release_homes(self)

    def finish_discovery(self) -> None:
        """Note that packages have been loaded, so that none are discovered by themselves."""
        with self._lock:
            self._discover = None
            self._discovery_done = True

    def see_definitions(self, definitions: Definitions | None) -> None:
        """Let bare names of tactics also mean the classes that the running program defines.

        Args:
            definitions: Returns the classes by name; None to see none.
        """
        self._definitions = definitions

    # Scanning

    def _prepare_packages(self) -> None:
        with self._lock:
            discover = self._discover
            if discover is None or self._is_discovering:
                return
            self._is_discovering = True
            try:
                discover(self)
            finally:
                self._is_discovering = False
                self.finish_discovery()

    def _prepare(self, resource_type: str | None) -> None:
        """Discover packages and scan the sections that hold resources of a type."""
        self._prepare_packages()
        if not self._unscanned.has_sections():
            return
        with self._lock:
            nodes, notices = self._unscanned.scan(resource_type)
            self._add(nodes)
            self._unscanned.scanned(resource_type)
        _warn(notices)

    def _add(self, nodes: Iterable[ResourceNode]) -> None:
        with self._lock:
            for node in nodes:
                self._index.add(node)
            self._found = {}

    def _import_opaque(self, resource_type: str | None, name: str | None = None) -> None:
        """Import the modules whose source did not tell what they hold, or those of them that have a name."""
        _warn(self._unscanned.import_modules(self._add, resource_type, name))


def _warn(notices: Iterable[str]) -> None:
    """Warn about what was found, after everything is in place: a warning may be turned into an exception."""
    for notice in notices:
        warnings.warn(notice, RuntimeWarning, stacklevel=2)

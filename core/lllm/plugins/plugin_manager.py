"""The plugin manager: who contributes what, imported when it is first used."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lllm.errors import PluginConflictError, PluginError
from lllm.hookspecs import RuntimeSpec, StoreSpec, is_plugin_name
from lllm.plugins.catalogue import KINDS, Catalogue
from lllm.plugins.contests import Claim, sole_claim
from lllm.plugins.entries import Entry
from lllm.plugins.implementations import adapts, build_runtime, import_target
from lllm.plugins.records import HookInfo, PluginInfo
from lllm.plugins.registry import Registry
from lllm.plugins.settings import PluginSettings

if TYPE_CHECKING:
    import click
    import pluggy

    from lllm.calls import Call
    from lllm.hookspecs import Runtime

__all__ = ["PluginManager"]


class PluginManager:
    """Knows the plugins, asks them what they contribute, and imports implementations at their first use.

    Args:
        discover: Whether installed plugins are found by themselves; without it there are only those that
            `register` adds, and neither environment nor config is read.
        path: Directories to look for installed plugins in, which must be importable; `sys.path` when it is None.
        enabled: False turns all installed plugins off, as `lllm --no-plugins` does.
        settings: What the user decided; read from environment and config when it is None.
        report: Takes each line that is meant for the user; the default writes to stderr.
    """

    def __init__(
        self,
        discover: bool = True,
        *,
        path: Sequence[str] | None = None,
        enabled: bool = True,
        settings: PluginSettings | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self._registry = Registry(
            self, discovering=discover, path=path, enabled=enabled, settings=settings, report=report
        )
        self._catalogue = Catalogue(self._registry)
        self._imported: dict[tuple[Entry, str, str], Any] = {}
        self._observers: tuple[tuple[Callable[..., Any], ...], tuple[Callable[..., Any], ...]] = ((), ())
        self._observers_at = -1

    def __repr__(self) -> str:
        return f"<lllm.plugins.PluginManager of {len(self._registry.entries)} plugins>"

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Return every plugin with its state, ordered by distribution and name; imports nothing.

        Raises:
            ConfigError: The `[plugins]` table of the config is malformed.
        """
        self._registry.scan()
        contests = self._catalogue.contests()
        return tuple(entry.info(contests.get(entry)) for entry in self._registry.entries)

    def entries(self) -> tuple[Entry, ...]:
        """Return what is known about every plugin beyond its `PluginInfo`: hooks, targets, exceptions."""
        self._registry.scan()
        return tuple(self._registry.entries)

    def load(self) -> None:
        """Import and verify the module of every plugin that may be loaded; implementations stay untouched.

        Raises:
            PluginError: `LLLM_PLUGINS_STRICT` is set and a plugin cannot be used.
        """
        self._registry.load()

    def examine(self, group: click.Group | None = None) -> None:
        """Load all plugins and ask each for everything it contributes.

        Args:
            group: The click group of the program, for plugins that look at it; an empty one when it is None.
        """
        for kind in KINDS:
            if kind != "command":
                self._catalogue.index(kind)
        self.commands(group)

    def register(self, plugin: object, name: str | None = None) -> str:
        """Add a plugin by hand and return its name.

        Args:
            plugin: Module or object with hook implementations.
            name: Name of the plugin; made from the name of the module when it is None.

        Raises:
            PluginConflictError: A plugin of that name is there already.
            PluginError: The name or one of the hooks is wrong; nothing is kept.
        """
        origin = getattr(plugin, "__name__", type(plugin).__qualname__)
        chosen = name if name is not None else origin.removesuffix(".plugin").replace(".", "-").lower()
        if not is_plugin_name(chosen):
            raise PluginError(f"{chosen!r} is not a plugin name; give one with `name=`.", plugin=chosen)
        file = getattr(plugin, "__file__", None)
        location = os.path.dirname(file) if file else None  # noqa: PTH120 - pathlib is not cheap to import
        self._registry.add(Entry(chosen, entry_point=origin, location=location), plugin)
        return chosen

    def unregister(self, name: str) -> None:
        """Forget a plugin and everything it contributed.

        Args:
            name: Name of the plugin.

        Raises:
            PluginNotFoundError: There is no such plugin.
        """
        self._registry.remove(name)

    # Runtimes

    def runtimes(self) -> dict[str, RuntimeSpec]:
        """Return the runtimes that can be used, by name; no implementation is imported."""
        return self._catalogue.usable("runtime")

    def runtime(self, name: str) -> Runtime:
        """Return a runtime, imported and constructed at the first call.

        Args:
            name: Name of the runtime.

        Raises:
            PluginNotFoundError: No usable plugin contributes it; the text says what to install.
            PluginConflictError: Several plugins contribute it.
            PluginImportError: It cannot be imported; the text says what is missing.
        """
        claim = self._catalogue.claim("runtime", name)
        key = (claim.entry, "runtime", name)
        if key not in self._imported:
            spec: RuntimeSpec = claim.value
            factory = import_target(claim.entry, f"runtime `{name}`", spec.target, spec.install)
            with self._registry.lock:
                if key not in self._imported:
                    self._imported[key] = build_runtime(claim.entry, spec, factory)
        runtime: Runtime = self._imported[key]
        return runtime

    def claimant(self, cls: type) -> str | None:
        """Return the name of the runtime that claims a class by one of its attributes, or None.

        Args:
            cls: A tactic class.

        Raises:
            PluginConflictError: Several runtimes claim it.
        """
        found = [
            (attribute, sole_claim("claim", attribute, claims).value.name)
            for attribute, claims in self._catalogue.index("claim").items()
            if getattr(cls, attribute, None) is not None
        ]
        names = {name for _, name in found}
        if len(names) > 1:
            claims = " and ".join(f"runtime `{name}` (attribute `{attribute}`)" for attribute, name in found)
            raise PluginConflictError(
                f"Class `{cls.__qualname__}` is claimed by {claims}; set the attribute that is not meant to None."
            )
        return names.pop() if names else None

    def adapters(self, target: Any) -> tuple[str, ...]:
        """Return the names of the runtimes that adapt an object, those for its most specific type first.

        Args:
            target: What is to become a tactic.
        """
        claims = [
            (name, claim.value) for name, found in self._catalogue.index("runtime").items() for claim in found
        ]
        fitting = (name for cls in type(target).__mro__ for name, spec in claims if adapts(spec, cls))
        return tuple(dict.fromkeys(fitting))

    def runtime_for_scheme(self, scheme: str) -> str:
        """Return the name of the runtime that opens tactic bindings with a URL scheme.

        Args:
            scheme: Such as `http`; case does not matter.

        Raises:
            PluginNotFoundError: No usable plugin opens it; the text says what to install.
            PluginConflictError: Several runtimes open it.
        """
        name: str = self._catalogue.claim("runtime scheme", scheme.lower()).value.name
        return name

    # Stores

    def stores(self) -> dict[str, StoreSpec]:
        """Return the store backends that can be used, by name; no implementation is imported."""
        return self._catalogue.usable("store")

    def store_for_scheme(self, scheme: str) -> str:
        """Return the name of the backend that opens store URLs with a scheme.

        Args:
            scheme: Such as `sqlite`; case does not matter.

        Raises:
            PluginNotFoundError: No usable plugin opens it; the text says what to install.
            PluginConflictError: Several backends open it.
        """
        name: str = self._catalogue.claim("store scheme", scheme.lower()).value.name
        return name

    def store(self, url_or_name: str) -> Callable[..., Any]:
        """Return the factory `(url, **options) -> Store` of a backend, imported at the first call.

        Args:
            url_or_name: A store URL, or the name of a backend.

        Raises:
            PluginNotFoundError: No usable plugin opens it; the text says what to install.
            PluginConflictError: Several plugins contribute it.
            PluginImportError: It cannot be imported; the text says what is missing.
        """
        scheme, colon, _ = url_or_name.partition(":")
        claim = self._catalogue.claim("store", self.store_for_scheme(scheme) if colon else url_or_name)
        spec: StoreSpec = claim.value
        key = (claim.entry, "store", spec.name)
        if key not in self._imported:
            factory = import_target(claim.entry, f"store `{spec.name}`", spec.target, spec.install)
            if not callable(factory):
                text = f"Plugin {claim.entry.title}: `{spec.target}` is not callable."
                raise PluginError(text, plugin=claim.entry.name)
            self._imported[key] = factory
        imported: Callable[..., Any] = self._imported[key]
        return imported

    # Tactics, commands, observers, hooks of plugins

    def tactics(self) -> dict[str, Any]:
        """Return the tactics that plugins contribute: ref to import string or object; nothing is imported."""
        return self._catalogue.usable("tactic")

    def load_tactic_target(self, ref: str) -> Any:
        """Return the tactic, class or factory that a plugin contributes under a ref.

        Args:
            ref: A tactic ref.

        Raises:
            PluginNotFoundError: No usable plugin contributes it.
            PluginConflictError: Several plugins contribute it.
            PluginImportError: It cannot be imported; the text says what is missing.
        """
        claim = self._catalogue.claim("tactic", ref)
        if not isinstance(claim.value, str):
            return claim.value
        return import_target(claim.entry, f"tactic `{ref}`", claim.value, None)

    def commands(self, group: click.Group | None = None) -> dict[str, tuple[Claim, ...]]:
        """Return who contributes each command; several claims are an open conflict.

        Args:
            group: The click group of the program, for plugins that look at it; an empty one when it is None.
        """
        import click

        from lllm.plugins.commands import collect_commands

        program = group if group is not None else click.Group("lllm")
        self._catalogue.ask("command", partial(collect_commands, program))
        return self._catalogue.index("command")

    def add_commands(self, group: click.Group) -> None:
        """Add the commands of all plugins to a click group.

        Args:
            group: The click group of the program.
        """
        from lllm.plugins.commands import install_commands

        install_commands(group, self.commands(group))

    @property
    def observed(self) -> bool:
        """Whether any plugin observes calls."""
        started, finished = self._observing()
        return bool(started or finished)

    def call_started(self, call: Call) -> None:
        """Tell the observers that a call begins.

        Args:
            call: The call.
        """
        for observe in self._observing()[0]:
            observe(call=call)

    def call_finished(self, call: Call) -> None:
        """Tell the observers that a call has ended.

        Args:
            call: The call.
        """
        for observe in self._observing()[1]:
            observe(call=call)

    @property
    def hook(self) -> pluggy.HookRelay:
        """The hooks as attributes, such as `manager.hook.lllm_invokers()`, which returns a list of answers.

        One implementation that raises is rolled back and left out; the others are asked all the same.
        """
        self._registry.load()
        return self._registry.hooks.relay

    def add_hookspecs(self, namespace: ModuleType | type, *, propagate: Collection[str] = ()) -> None:
        """Add hook specifications; for plugins, in `lllm_add_hookspecs`.

        Args:
            namespace: Module or class with functions marked by `lllm.hookspec`.
            propagate: Hooks whose exceptions must reach the caller instead of breaking the plugin, such as one
                that grants access: there a failure has to refuse.

        Raises:
            PluginError: Nothing is specified there, or a hook of that name exists already.
        """
        self._registry.specify(namespace, propagate)

    def hooks(self) -> tuple[HookInfo, ...]:
        """Return every hook that exists, with who specifies and who implements it."""
        self._registry.load()
        table = self._registry.hooks
        return tuple(
            HookInfo(
                name=name,
                signature=table.signature(name),
                specified_by=table.owner(name),
                implemented_by=tuple(plugin for plugin, _ in table.implementations(name)),
            )
            for name in table.specified()
        )

    def _observing(self) -> tuple[tuple[Callable[..., Any], ...], tuple[Callable[..., Any], ...]]:
        self._registry.load()
        if self._observers_at != self._registry.changes:
            self._observers_at = self._registry.changes
            started, finished = (
                tuple(call for _, call in self._registry.hooks.implementations(name))
                for name in ("lllm_call_started", "lllm_call_finished")
            )
            self._observers = (started, finished)
        return self._observers

"""The plugins inside one manager, from metadata to hooks: found, imported, verified, and rolled back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from inspect import signature
from threading import RLock, Timer
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from lllm._version import __version__
from lllm.errors import PluginConflictError, PluginError, PluginNotFoundError
from lllm.import_strings import parse_import_string
from lllm.plugins.discovery import discover
from lllm.plugins.entries import Entry
from lllm.plugins.generation import bump_generation
from lllm.plugins.hook_table import HookTable
from lllm.plugins.policy import Decision, decide, unknown_names
from lllm.plugins.records import one_line
from lllm.plugins.settings import PluginSettings, load_settings

if TYPE_CHECKING:
    from lllm.plugins.plugin_manager import PluginManager

__all__ = ["Registry"]

_T = TypeVar("_T")
_SLOW_SECONDS = 1.0
_HANGING_SECONDS = 5.0


class Registry:
    """The plugins of one manager and their hooks.

    Args:
        manager: The manager that hooks are given.
        discovering: Whether installed plugins belong to it.
        path: Where to look for them; `sys.path` when it is None.
        enabled: False turns all installed plugins off.
        settings: What the user decided; read from environment and config when it is None.
        report: Takes each line meant for the user; the default writes to stderr.

    Attributes:
        lock: Held while anything here changes.
        hooks: The hooks and who implements them.
        changes: Counts up whenever a plugin comes or goes.
        entries: The plugins found or registered so far, in their order.
    """

    def __init__(
        self,
        manager: PluginManager,
        *,
        discovering: bool,
        path: Sequence[str] | None,
        enabled: bool,
        settings: PluginSettings | None,
        report: Callable[[str], None] | None,
    ) -> None:
        self.lock = RLock()
        self.hooks = HookTable(self.fail)
        self.changes = 0
        self._manager = manager
        self._path = path
        self._enabled = enabled
        self._settings = settings if discovering or settings is not None else PluginSettings()
        self._report = report or _print
        self.entries: list[Entry] = []
        self._scanned = self._loaded = not discovering
        self._loading = False
        self._importing: Entry | None = None
        self._specifying: Entry | None = None

    @property
    def settings(self) -> PluginSettings:
        """What the user decided.

        Raises:
            ConfigError: The `[plugins]` table of the config is malformed.
        """
        if self._settings is None:
            self._settings = load_settings(enabled=self._enabled)
        return self._settings

    def scan(self) -> None:
        """Read the metadata of all installed plugins, once; imports nothing.

        Raises:
            ConfigError: The `[plugins]` table of the config is malformed.
        """
        with self.lock:
            if not self._scanned:
                settings = self.settings
                records = discover(self._path)
                for choice in unknown_names(records, settings):
                    self._report(
                        f"lllm: {choice.origin} names `{choice.name}`, but no plugin or distribution of that "
                        f"name is installed; see `lllm plugins list --all`"
                    )
                self.entries += [_entry(decision) for decision in decide(records, settings, __version__)]
                self._scanned = True

    def load(self) -> None:
        """Import and verify every plugin that may be loaded, once.

        Raises:
            PluginError: The settings are strict and a plugin cannot be used.
            ConfigError: The `[plugins]` table of the config is malformed.
        """
        if not self._loaded:
            self._load_once()

    def add(self, entry: Entry, plugin: object) -> None:
        """Register a plugin by hand.

        Args:
            entry: Its record.
            plugin: Module or object with hook implementations.

        Raises:
            PluginConflictError: A plugin of that name is there already.
            PluginError: One of its hooks is wrong; nothing of it is kept.
        """
        self.load()
        with self.lock:
            if any(other.name == entry.name and other.state != "disabled" for other in self.entries):
                raise PluginConflictError(f"A plugin `{entry.name}` is there already.", plugin=entry.name)
            try:
                self._prepare(entry, plugin)
                self._specify(entry)
                self._verify(entry)
            except PluginError as error:
                self.hooks.withdraw(entry.specifies)
                raise PluginError(f"Plugin {entry.title}: {error}", plugin=entry.name) from error
            entry.state = "loaded"
            self.entries.append(entry)
            self._arrange()

    def remove(self, name: str) -> None:
        """Forget a plugin and everything it contributed.

        Args:
            name: Name of the plugin.

        Raises:
            PluginNotFoundError: There is no such plugin.
        """
        self.scan()
        with self.lock:
            found = [entry for entry in self.entries if entry.name == name]
            if not found:
                raise PluginNotFoundError(f"There is no plugin `{name}`.", plugin=name)
            for entry in found:
                self.entries.remove(entry)
                self.hooks.remove(name)
                self.hooks.withdraw(entry.specifies)
            self._arrange()

    def specify(self, namespace: ModuleType | type, propagate: Collection[str]) -> None:
        """Add hook specifications for the plugin that is being asked for them.

        Args:
            namespace: Module or class with the specifications.
            propagate: Hooks whose exceptions reach the caller.

        Raises:
            PluginError: The specifications are unusable.
        """
        with self.lock:
            if self._specifying is not None:
                names = self.hooks.specify(namespace, self._specifying.name, propagate)
                self._specifying.specifies.extend(names)
            else:
                self.hooks.specify(namespace, "lllm", propagate)
                self._arrange()

    def attempt(self, entry: Entry, action: Callable[[], _T]) -> _T | None:
        """Do something on behalf of a plugin; whatever it raises breaks that plugin and nothing else.

        Args:
            entry: The plugin.
            action: What to do.
        """
        try:
            return action()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.fail(entry, error)
            return None

    def fail(self, entry: Entry, error: BaseException) -> None:
        """Roll a plugin back because it raised, and tell the user once.

        Args:
            entry: The plugin.
            error: What it raised.

        Raises:
            PluginError: The settings are strict.
        """
        with self.lock:
            if entry.state != "broken":
                entry.mark_broken(error)
                self.hooks.remove(entry.name)
                self._changed()
                self._complain(entry, error)

    def _load_once(self) -> None:
        with self.lock:
            self.scan()
            # A plugin that asks for plugins while it is imported finds none yet.
            if not self._loaded and not self._loading:
                self._loading = True
                # An import cannot be stopped from outside, but whoever waits can be told what for.
                watch = Timer(_HANGING_SECONDS, self._tell_of_hanging)
                watch.daemon = True
                watch.start()
                try:
                    self._load_all()
                    self._loaded = True
                finally:
                    watch.cancel()
                    self._loading = False

    def _load_all(self) -> None:
        for entry in self.entries:
            if entry.state in {"broken", "incompatible", "conflict"}:
                self._complain(entry, None)
        for step in (self._import, self._specify):
            for entry in self.entries:
                if entry.state == "ready":
                    self.attempt(entry, partial(step, entry))
        for entry in self.entries:
            if entry.state == "ready":
                entry.state = "loaded"
        self._arrange()

    def _import(self, entry: Entry) -> None:
        target = parse_import_string(entry.entry_point, "entry point", attribute=False)
        begun = perf_counter()
        self._importing = entry
        plugin: object = target.load()
        entry.import_seconds = perf_counter() - begun
        if entry.import_seconds > _SLOW_SECONDS:
            self._report(
                f"lllm: plugin {entry.title} took {entry.import_seconds:.1f} s to import; "
                f"run `{entry.check_command}`"
            )
        self._prepare(entry, plugin)

    def _prepare(self, entry: Entry, plugin: object) -> None:
        entry.hooks = self.hooks.find(plugin)
        entry.plugin = plugin

    def _specify(self, entry: Entry) -> None:
        hook = entry.hook("lllm_add_hookspecs")
        # An interrupted load is begun again, and this hook is called once.
        if hook is None or entry.specifies:
            return
        self.hooks.verify_arguments(hook)
        self._specifying = entry
        try:
            hook.function(*([self._manager] if signature(hook.function).parameters else []))
        except BaseException:
            self.hooks.withdraw(entry.specifies)
            entry.specifies.clear()
            raise
        finally:
            self._specifying = None

    def _verify(self, entry: Entry) -> None:
        self.hooks.verify(entry.plugin, entry.hooks)

    def _arrange(self) -> None:
        """Verify all loaded plugins against the hooks that exist by now, and put them in their order."""
        self.entries.sort(key=lambda entry: entry.order)
        for entry in self.entries:
            if entry.state == "loaded":
                self.attempt(entry, partial(self._verify, entry))
        self.hooks.replace_all(entry for entry in self.entries if entry.state == "loaded")
        self._changed()

    def _changed(self) -> None:
        self.changes += 1
        bump_generation()

    def _tell_of_hanging(self) -> None:
        entry = self._importing
        if entry is not None and self._loading:
            self._report(
                f"lllm: plugin {entry.title} is still being imported after {_HANGING_SECONDS:g} s; "
                f"turn it off with LLLM_PLUGINS_DISABLE={entry.name}"
            )

    def _complain(self, entry: Entry, error: BaseException | None) -> None:
        reason = entry.error or entry.state
        if self.settings.strict:
            text = f"Plugin {entry.title} is {entry.state}: {reason}"
            raise PluginError(text, plugin=entry.name) from error
        line = (
            f"lllm: plugin {entry.title} is {entry.state}: {reason.rstrip('.')}; run `{entry.check_command}`"
        )
        self._report(one_line(line))


def _entry(decision: Decision) -> Entry:
    record = decision.record
    return Entry(
        record.name,
        distribution=record.distribution,
        version=record.version,
        entry_point=record.entry_point,
        location=record.location,
        editable=record.editable,
        summary=record.summary,
        state=decision.state,
        error=decision.error,
    )


def _print(line: str) -> None:
    # A windowed program has no stderr.
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")

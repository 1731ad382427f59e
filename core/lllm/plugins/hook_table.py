"""The pluggy side of the host: which hooks exist, what implements them, and what is wrong with an attempt."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from functools import wraps
from types import ModuleType
from typing import Any

import pluggy

from lllm import hookspecs
from lllm.errors import PluginError
from lllm.plugins.entries import Entry, Hook
from lllm.plugins.known import HOOKS

__all__ = ["HookTable"]


class HookTable:
    """Hook specifications and the implementations that passed them.

    Args:
        on_failure: Called with the plugin and the exception when an implementation raises.
    """

    def __init__(self, on_failure: Callable[[Entry, BaseException], None]) -> None:
        self._on_failure = on_failure
        self._pluggy = pluggy.PluginManager(hookspecs.hookspec.project_name)
        self._pluggy.add_hookspecs(hookspecs)
        self._adapters: dict[str, _Adapter] = {}
        self._owners = dict.fromkeys(self.specified(), "lllm")
        self._propagating: set[str] = set()

    @property
    def relay(self) -> pluggy.HookRelay:
        """The hooks as attributes: calling one calls every implementation, isolated from each other."""
        return self._pluggy.hook

    def specified(self) -> tuple[str, ...]:
        """Return the names of the hooks that exist, sorted."""
        return tuple(sorted(name for name, hook in vars(self._pluggy.hook).items() if _has_spec(hook)))

    def owner(self, name: str) -> str:
        """Return who specifies a hook: `lllm` or the name of a plugin.

        Args:
            name: Name of a hook that exists.
        """
        return self._owners[name]

    def signature(self, name: str) -> str:
        """Return a hook with its arguments, such as `lllm_commands(cli)`.

        Args:
            name: Name of a hook that exists.
        """
        return f"{name}({', '.join(self._arguments(name))})"

    def specify(
        self, namespace: ModuleType | type, owner: str, propagate: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Add hook specifications and return the names of the new hooks.

        Args:
            namespace: Module or class with functions marked by `lllm.hookspec`.
            owner: Who specifies them.
            propagate: Hooks whose exceptions reach the caller.

        Raises:
            PluginError: There is nothing in it, or a hook of that name exists already.
        """
        names = [name for name in dir(namespace) if self._pluggy.parse_hookspec_opts(namespace, name)]
        if not names:
            raise PluginError(f"{namespace!r} holds no function marked with `@lllm.hookspec`.", plugin=owner)
        for name in names:
            if name in self._owners:
                raise PluginError(
                    f"the hook `{name}` is specified by `{self._owners[name]}` already.", plugin=owner
                )
        if stray := sorted(set(propagate) - set(names)):
            raise PluginError(f"`propagate` names `{stray[0]}`, which is not specified there.", plugin=owner)
        self._pluggy.add_hookspecs(namespace)
        self._owners.update(dict.fromkeys(names, owner))
        self._propagating.update(propagate)
        return tuple(names)

    def withdraw(self, names: Iterable[str]) -> None:
        """Remove hooks that a plugin specified before it failed.

        Args:
            names: Names of the hooks.
        """
        for name in tuple(names):
            delattr(self._pluggy.hook, name)
            del self._owners[name]
            self._propagating.discard(name)

    def find(self, plugin: object) -> tuple[Hook, ...]:
        """Return the hook implementations that a module or object carries.

        Args:
            plugin: The target of an entry point.

        Raises:
            PluginError: One of them can never be called as it is.
        """
        found = []
        for attribute in dir(plugin):
            if attribute.startswith("__"):
                continue
            options = self._pluggy.parse_hookimpl_opts(plugin, attribute)
            if options is None:
                continue
            name = options.get("specname") or attribute
            function = getattr(plugin, attribute)
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise PluginError(
                    f"`{name}` is `async`; hooks are plain functions, what they return may be async."
                )
            if options.get("wrapper") or options.get("hookwrapper"):
                raise PluginError(
                    f"`{name}` is a wrapper; a plugin must not change what the others contribute."
                )
            found.append(Hook(name, attribute, function, bool(options.get("optionalhook"))))
        return tuple(found)

    def verify(self, plugin: object, hooks: Iterable[Hook]) -> None:
        """Check implementations against the specifications.

        Args:
            plugin: The target of the entry point.
            hooks: What `find` returned for it.

        Raises:
            PluginError: A hook is misspelled, not marked, or takes an argument that it is not given.
        """
        for hook in hooks:
            if hook.name in self._owners:
                self.verify_arguments(hook)
            elif not hook.optional:
                raise PluginError(self._unknown(hook.name))
        marked = {hook.attribute for hook in hooks}
        for name in sorted(self._owners.keys() - marked):
            function = inspect.getattr_static(plugin, name, None)
            if inspect.isfunction(function) and not hasattr(function, "lllm_spec"):
                raise PluginError(f"`{name}` is not marked; write `@lllm.hookimpl` above it.")

    def verify_arguments(self, hook: Hook) -> None:
        """Check that an implementation takes only arguments that its hook has.

        Args:
            hook: An implementation of a hook that exists.

        Raises:
            PluginError: It takes another one; the text names it.
        """
        given = self._arguments(hook.name)
        for parameter in inspect.signature(hook.function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if parameter.default is parameter.empty and (
                parameter.name not in given or parameter.kind is parameter.KEYWORD_ONLY
            ):
                arguments = ", ".join(f"`{name}`" for name in given) or "none"
                raise PluginError(
                    f"`{hook.name}` takes `{parameter.name}`, which is not an argument of that hook; "
                    f"its positional arguments are: {arguments}."
                )

    def replace_all(self, entries: Iterable[Entry]) -> None:
        """Make these plugins, in this order, the ones that hooks are asked of.

        Args:
            entries: Loaded plugins whose hooks passed `verify`, first to be asked first.
        """
        for name in list(self._adapters):
            self.remove(name)
        # pluggy asks the plugin that was registered last first.
        for entry in reversed(list(entries)):
            adapter = _Adapter()
            for hook in entry.hooks:
                if hook.name in self._owners:
                    setattr(adapter, hook.attribute, self._isolate(entry, hook))
            self._pluggy.register(adapter, name=entry.name)
            self._adapters[entry.name] = adapter

    def remove(self, name: str) -> None:
        """Forget the implementations of a plugin.

        Args:
            name: Name of the plugin.
        """
        if self._adapters.pop(name, None) is not None:
            self._pluggy.unregister(name=name)

    def implementations(self, name: str) -> list[tuple[str, Callable[..., Any]]]:
        """Return who implements a hook, in the order of calls, with a function that takes its keyword arguments.

        Args:
            name: Name of a hook that exists.
        """
        hook = getattr(self._pluggy.hook, name)
        return [(impl.plugin_name, _by_keyword(impl)) for impl in reversed(hook.get_hookimpls())]

    def _isolate(self, entry: Entry, hook: Hook) -> Callable[..., Any]:
        if hook.name in self._propagating:
            return hook.function

        @wraps(hook.function)
        def isolated(*args: Any, **kwargs: Any) -> Any:
            try:
                return hook.function(*args, **kwargs)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._on_failure(entry, error)
                return None

        return isolated

    def _arguments(self, name: str) -> tuple[str, ...]:
        spec = getattr(self._pluggy.hook, name).spec
        return (*spec.argnames, *spec.kwargnames)

    def _unknown(self, name: str) -> str:
        if name in HOOKS:
            return (
                f"the hook `{name}` is specified by {HOOKS[name].name}, which is not loaded; install it "
                f"({HOOKS[name].install}) or mark the implementation `@lllm.hookimpl(optionalhook=True)`."
            )
        from difflib import get_close_matches

        closest = get_close_matches(name, self._owners, n=1, cutoff=0.0)
        return f"there is no hook `{name}`; the closest one is `{closest[0]}`. All: lllm plugins hooks."


class _Adapter:
    """What is registered with pluggy in place of a plugin: its hooks, each isolated."""

    def __dir__(self) -> list[str]:
        # pluggy looks at every name, which takes longer for those of `object` than for all the hooks.
        return list(vars(self))


def _has_spec(hook: object) -> bool:
    return isinstance(hook, pluggy.HookCaller) and hook.has_spec()


def _by_keyword(impl: pluggy.HookImpl) -> Callable[..., Any]:
    """Return a function that takes all arguments of the hook and passes on those that the plugin takes."""

    def call(**kwargs: Any) -> Any:
        defaulted = {name: kwargs[name] for name in impl.kwargnames if name in kwargs}
        return impl.function(*(kwargs[name] for name in impl.argnames), **defaulted)

    return call

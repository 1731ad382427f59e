"""The hooks of the core, and the records with which plugins answer them.

`lllm.hookimpl` marks an implementation, `lllm.hookspec` a specification (a plugin may add its own in
`lllm_add_hookspecs`). Hooks are plain functions; whatever is asynchronous belongs to what they return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from lllm.errors import TacticUnsupportedError
from lllm.import_strings import parse_import_string

if TYPE_CHECKING:
    import click

    from lllm.calls import Call
    from lllm.plugins import PluginManager
    from lllm.tactic import Tactic

__all__ = [
    "Runtime",
    "RuntimeSpec",
    "StoreSpec",
    "hookimpl",
    "hookspec",
    "is_plugin_name",
    "is_scheme",
    "lllm_add_hookspecs",
    "lllm_call_finished",
    "lllm_call_started",
    "lllm_commands",
    "lllm_runtimes",
    "lllm_stores",
    "lllm_tactics",
]

hookspec = pluggy.HookspecMarker("lllm")
hookimpl = pluggy.HookimplMarker("lllm")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"


def is_plugin_name(text: str) -> bool:
    """Tell whether a text can name a plugin, a runtime or a store: `[a-z0-9][a-z0-9_-]*`.

    Args:
        text: Any text.
    """
    return text[:1] in {*_LETTERS, *_DIGITS} and set(text) <= {*_LETTERS, *_DIGITS, "_", "-"}


def is_scheme(text: str) -> bool:
    """Tell whether a text is a lower-case URL scheme.

    Args:
        text: Any text.
    """
    return text[:1] in {*_LETTERS} and set(text) <= {*_LETTERS, *_DIGITS, "+", ".", "-"}


def _is_type_name(text: str) -> bool:
    return "." in text and all(part.isidentifier() for part in text.split("."))


def _is_file_name(text: str) -> bool:
    return text not in {"", ".", ".."} and text.isprintable() and not {"/", "\\"} & set(text)


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """What a plugin says about one runtime, without importing it.

    Args:
        name: Name of the runtime: lower-case letters, digits, `_` and `-`.
        target: Import string of a class with the methods of `Runtime`.
        summary: One line for listings.
        claims: Names of class attributes that mark a `Tactic` subclass as this runtime's own.
        adapts: Qualified names of the types that `as_tactic` may hand to it, such as `builtins.function`.
        schemes: URL schemes of the tactic bindings that it opens.
        install: What to `pip install` when the runtime's own libraries are missing.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field is malformed.
    """

    name: str
    target: str
    summary: str
    claims: tuple[str, ...] = field(default=(), kw_only=True)
    adapts: tuple[str, ...] = field(default=(), kw_only=True)
    schemes: tuple[str, ...] = field(default=(), kw_only=True)
    install: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_common(self)
        _check_texts(self, "claims", str.isidentifier, "an attribute name such as `agent_group`")
        _check_texts(self, "adapts", _is_type_name, "a qualified type name such as `builtins.function`")
        _check_texts(self, "schemes", is_scheme, "a lower-case URL scheme such as `http`")


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """What a plugin says about one store backend, without importing it.

    Args:
        name: Name of the backend: lower-case letters, digits, `_` and `-`.
        target: Import string of a callable `(url: str, **options) -> Store`.
        summary: One line for listings.
        schemes: Store URLs that it opens.
        markers: Names of files that mark a directory as this backend's own.
        install: What to `pip install` when the backend's own libraries are missing.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field is malformed.
    """

    name: str
    target: str
    summary: str
    schemes: tuple[str, ...] = field(default=(), kw_only=True)
    markers: tuple[str, ...] = field(default=(), kw_only=True)
    install: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_common(self)
        _check_texts(self, "schemes", is_scheme, "a lower-case URL scheme such as `sqlite`")
        _check_texts(
            self, "markers", _is_file_name, "the name of a file directly inside the store's directory"
        )


def _check_common(spec: RuntimeSpec | StoreSpec) -> None:
    kind = type(spec).__name__
    _check_text(spec.name, f"{kind}.name")
    if not is_plugin_name(spec.name):
        raise ValueError(
            f"`{kind}.name` must be lower-case letters, digits, `_` and `-`, and begin with a letter or "
            f"digit; got {spec.name!r}."
        )
    parse_import_string(spec.target, f"{kind}.target")
    _check_line(spec.summary, f"{kind}.summary")
    if spec.install is not None:
        _check_line(spec.install, f"{kind}.install")


def _check_text(value: object, label: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"`{label}` must be a string, got {type(value).__name__}.")
    return value


def _check_line(value: object, label: str) -> None:
    text = _check_text(value, label)
    if not text.strip() or not text.isprintable():
        raise ValueError(f"`{label}` must be one line of text, got {text!r}.")


def _check_texts(
    spec: RuntimeSpec | StoreSpec, name: str, is_valid: Callable[[str], bool], meaning: str
) -> None:
    label = f"{type(spec).__name__}.{name}"
    value = getattr(spec, name)
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"`{label}` must be a tuple of strings, got {type(value).__name__}.")
    for item in value:
        if not is_valid(_check_text(item, f"{label}[]")):
            raise ValueError(f"`{label}` holds {item!r}, which is not {meaning}.")
    if len(set(value)) != len(value):
        raise ValueError(f"`{label}` names something twice: {', '.join(value)}.")
    # The dataclass is frozen; a list is accepted for comfort and kept as what the annotation says.
    object.__setattr__(spec, name, tuple(value))


class Runtime(Protocol):
    """Who does the work behind a tactic.

    A runtime implements what applies to it; the rest raises `TacticUnsupportedError`. The class that
    `RuntimeSpec.target` names is constructed without arguments, once in each plugin manager.
    """

    def adapt(self, target: Any, **options: Any) -> Tactic[Any, Any]:
        """Turn a foreign object into a tactic; called by `as_tactic(target, **options)`.

        Args:
            target: An object of one of the types that the runtime's `RuntimeSpec.adapts` names.
            **options: What the caller of `as_tactic` gave, such as `name` or `description`.

        Raises:
            TacticUnsupportedError: The runtime does not adapt objects.
        """
        raise TacticUnsupportedError(f"Runtime `{type(self).__name__}` does not adapt objects to tactics.")

    def open(self, ref: str | None, binding: Mapping[str, Any]) -> Tactic[Any, Any]:
        """Open a binding whose `url` scheme or `runtime` key names this runtime.

        Args:
            ref: The `psi://` ref that is bound, or None when a bare URL is opened.
            binding: The binding as it stands in the config, such as `{"url": "http://..."}`.

        Raises:
            TacticUnsupportedError: The runtime opens no bindings.
        """
        raise TacticUnsupportedError(f"Runtime `{type(self).__name__}` opens no tactic bindings.")

    def attach(self, tactic: Tactic[Any, Any], config: Mapping[str, Any] | None) -> None:
        """Check and parse the config of a claimed tactic that was just constructed.

        Args:
            tactic: An instance of a class with one of the attributes in `RuntimeSpec.claims`.
            config: The config that was given to the constructor, or None.

        Raises:
            TacticUnsupportedError: The runtime claims no classes.
        """
        raise TacticUnsupportedError(f"Runtime `{type(self).__name__}` claims no tactic classes.")

    def bind(self, tactic: Tactic[Any, Any], call: Call) -> Tactic[Any, Any]:
        """Return the tactic bound to the resources of one call that begins.

        Args:
            tactic: The claimed tactic that was called.
            call: The call that begins.

        Raises:
            TacticUnsupportedError: The runtime claims no classes.
        """
        raise TacticUnsupportedError(f"Runtime `{type(self).__name__}` claims no tactic classes.")

    def streaming(self, bound: Tactic[Any, Any], call: Call) -> Tactic[Any, Any]:
        """Return what streams one call, where `bind` returned a tactic whose class does not stream.

        Asked only when `attach` has put `"stream"` into the tactic's `declared_capabilities`. A runtime whose `bind`
        returns something that streams can leave this out.

        Args:
            bound: What `bind` returned for the call.
            call: The call that begins.

        Returns:
            A tactic with `_stream`, `_astream` or `_aevents`.
        """
        return bound


@hookspec
def lllm_runtimes() -> list[RuntimeSpec]:
    """Contribute runtimes; asked once, when runtimes are first needed.

    Returns:
        One `RuntimeSpec` for each runtime.

    Example:
        >>> import lllm
        >>> @lllm.hookimpl
        ... def lllm_runtimes():
        ...     return [lllm.RuntimeSpec(name="shout", target="acme_shout.runtime:ShoutRuntime",
        ...                              summary="Shouts.", schemes=("shout",))]
        >>> [spec.name for spec in lllm_runtimes()]
        ['shout']
    """
    raise NotImplementedError


@hookspec
def lllm_stores() -> list[StoreSpec]:
    """Contribute store backends; asked once, when stores are first needed.

    Returns:
        One `StoreSpec` for each backend.

    Example:
        >>> import lllm
        >>> @lllm.hookimpl
        ... def lllm_stores():
        ...     return [lllm.StoreSpec(name="memory", target="acme_shout.store:MemoryStore",
        ...                            summary="Keeps everything in this process.", schemes=("memory",))]
        >>> lllm_stores()[0].schemes
        ('memory',)
    """
    raise NotImplementedError


@hookspec
def lllm_tactics() -> Mapping[str, Any]:
    """Contribute tactics by ref; asked once, when a ref without a binding is first resolved.

    Returns:
        A mapping of `psi://` tactic refs to import strings of a `Tactic` class, an instance, or a factory
        that takes no arguments.

    Example:
        >>> import lllm
        >>> @lllm.hookimpl
        ... def lllm_tactics():
        ...     return {"psi://acme/shout/tactics/shout": "acme_shout.tactics:Shout"}
        >>> list(lllm_tactics())
        ['psi://acme/shout/tactics/shout']
    """
    raise NotImplementedError


@hookspec
def lllm_commands(cli: click.Group) -> None:
    """Add commands to the command line; asked by the command line only.

    Args:
        cli: The click group of the program `lllm`.

    Example:
        >>> import click, lllm
        >>> @lllm.hookimpl
        ... def lllm_commands(cli):
        ...     @cli.command("shout")
        ...     @click.argument("text")
        ...     def shout(text):
        ...         click.echo(text.upper())
        >>> group = click.Group("lllm")
        >>> lllm_commands(group)
        >>> list(group.commands)
        ['shout']
    """


@hookspec
def lllm_call_started(call: Call) -> None:
    """Observe that the call of a tactic begins.

    Args:
        call: The call: its tactic, ref, context, parent, request and trace ids.

    Example:
        >>> import lllm
        >>> begun = []
        >>> @lllm.hookimpl
        ... def lllm_call_started(call):
        ...     begun.append(call.tactic_name)
    """


@hookspec
def lllm_call_finished(call: Call) -> None:
    """Observe that the call of a tactic has ended, in success, failure or cancellation.

    Args:
        call: The same object that `lllm_call_started` saw, now with state, error, duration and usage.

    Example:
        >>> import lllm
        >>> durations = {}
        >>> @lllm.hookimpl
        ... def lllm_call_finished(call):
        ...     durations[call.tactic_name] = call.duration_ms
    """


@hookspec
def lllm_add_hookspecs(manager: PluginManager) -> None:
    """Register hook specifications of the plugin's own; called once, before other plugins are validated.

    Args:
        manager: The manager that loads the plugin; hand the specifications to its `add_hookspecs`.

    Example:
        >>> import lllm
        >>> class Specifications:
        ...     @staticmethod
        ...     @lllm.hookspec
        ...     def acme_volumes():
        ...         "Return a mapping of names to volumes."
        >>> @lllm.hookimpl
        ... def lllm_add_hookspecs(manager):
        ...     manager.add_hookspecs(Specifications)
        >>> manager = lllm.plugins.PluginManager(discover=False)
        >>> lllm_add_hookspecs(manager)
        >>> manager.hook.acme_volumes()
        []
    """

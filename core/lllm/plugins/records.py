"""The plain records that pass between discovery, policy and manager.

Most records of the host are named tuples: a dataclass takes five times as long to define, and every start of the
command line would pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["HookInfo", "PluginInfo", "PluginRecord", "PluginState", "describe", "normalise", "one_line"]

PluginState: TypeAlias = Literal["ready", "loaded", "disabled", "broken", "incompatible", "conflict"]


class PluginRecord(NamedTuple):
    """What the metadata of an installed distribution says about one of its plugins.

    Args:
        name: Name of the entry point.
        distribution: Name of the distribution as its metadata spells it.
        version: Version of the distribution, or None when the metadata has none.
        entry_point: Target of the entry point, `package.module` or `package.module:object`.
        location: Directory that holds the distribution; the project's folder when it is editable.
        editable: Whether it is an editable install.
        requires: What the distribution requires of `lllm`, as in its metadata.
        summary: The distribution's one-line summary; empty when it has none.
        problem: What is wrong with the metadata, or None.
    """

    name: str
    distribution: str
    version: str | None
    entry_point: str
    location: str
    editable: bool = False
    requires: tuple[str, ...] = ()
    summary: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What the host knows about one plugin at this moment.

    Args:
        name: Name of the plugin.
        distribution: Distribution that declares it, or None when it was registered by hand.
        version: Version of that distribution, or None when it is not known.
        entry_point: Target of the entry point.
        location: Directory that holds the distribution; the project's folder when it is editable.
        editable: Whether the distribution is an editable install.
        state: `ready` (not imported yet), `loaded`, `disabled`, `broken`, `incompatible` or `conflict`.
        error: What is wrong and what to do about it, or None.
        contributes: What it contributes, such as `runtime callable` or `store sqlite (sqlite:)`; empty until
            the plugin has been loaded and asked.
    """

    name: str
    distribution: str | None
    version: str | None
    entry_point: str
    location: str | None
    editable: bool
    state: PluginState
    error: str | None
    contributes: tuple[str, ...]


class HookInfo(NamedTuple):
    """One hook that exists.

    Args:
        name: Name of the hook.
        signature: The hook with its arguments, such as `lllm_commands(cli)`.
        specified_by: `lllm` or the name of the plugin that specifies it.
        implemented_by: Names of the plugins that implement it, in the order of calls.
    """

    name: str
    signature: str
    specified_by: str
    implemented_by: tuple[str, ...]


def normalise(name: str) -> str:
    """Normalise the name of a plugin or distribution for comparison: case, `-`, `_` and `.` are one.

    Args:
        name: The name as somebody wrote it.
    """
    plain = name.lower().replace("_", "-").replace(".", "-")
    return "-".join(part for part in plain.split("-") if part) if "--" in plain else plain.strip("-")


def one_line(text: str) -> str:
    """Put a text on one line and replace what a terminal might obey.

    Args:
        text: Text from a plugin or its metadata, which is not to be trusted.
    """
    joined = " ".join(text.split())
    return joined if joined.isprintable() else "".join(c if c.isprintable() else "�" for c in joined)


def describe(name: str, distribution: str | None, version: str | None) -> str:
    """Name a plugin with its distribution and version, for messages.

    Args:
        name: Name of the plugin.
        distribution: Its distribution, if it has one.
        version: Version of the distribution, if it is known.
    """
    origin = " ".join(part for part in (distribution, version) if part)
    return one_line(f"`{name}` ({origin})" if origin else f"`{name}`")

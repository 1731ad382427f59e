"""What the user has decided about plugins: environment variables and the `[plugins]` table of the config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from lllm.errors import ConfigError
from lllm.plugins.records import normalise, one_line

__all__ = ["Choice", "PluginSettings", "load_settings", "read_settings"]

_CONFIG = f".psi{os.sep}config.toml"
_KINDS = {"claim", "command", "plugin", "runtime", "scheme", "store", "tactic"}


class Choice(NamedTuple):
    """One name in a list of plugins to disable or to allow.

    Args:
        name: Name of a plugin or a distribution, normalised.
        origin: Where the user wrote it, for messages.
    """

    name: str
    origin: str


class PluginSettings(NamedTuple):
    """Everything that the user has decided about plugins.

    Args:
        enabled: False when all plugins are off, as with `lllm --no-plugins`.
        disable: Plugins and distributions that are off.
        allow: The only plugins and distributions that are on, or None when all are.
        prefer: Winner of each contested name: `"runtime:shout"` to a distribution or plugin name, normalised.
        strict: Whether a broken or incompatible plugin raises instead of being reported.
    """

    enabled: bool = True
    disable: tuple[Choice, ...] = ()
    allow: tuple[Choice, ...] | None = None
    prefer: Mapping[str, str] = MappingProxyType({})
    strict: bool = False


def load_settings(*, enabled: bool = True) -> PluginSettings:
    """Read the settings of this process: its environment and the config of its working directory.

    Args:
        enabled: False turns all plugins off.

    Raises:
        ConfigError: The `[plugins]` table is malformed; the text names file, line and key.
        OSError: The config cannot be read.
        ValueError: The config is not TOML; the text names file and line.
    """
    if not os.path.lexists(_CONFIG):
        return read_settings(os.environ, {}, enabled=enabled)
    # Most starts find no config, and importing what reads one costs as much as discovery.
    from pathlib import Path

    from lllm.config import find_line, read_config

    path = Path(_CONFIG)
    config = read_config(path)
    try:
        return read_settings(os.environ, config, enabled=enabled)
    except ConfigError as error:
        line = find_line(path.read_text("utf-8"), error.key)
        raise ConfigError(str(error), path=path, line=line, key=error.key) from None


def read_settings(
    environ: Mapping[str, str], config: Mapping[str, Any], *, enabled: bool = True
) -> PluginSettings:
    """Combine the environment and a parsed config.

    Lists to disable add up. An allow-list in the environment replaces the one of the config.

    Args:
        environ: Environment variables.
        config: The parsed `.psi/config.toml`.
        enabled: False turns all plugins off.

    Raises:
        ConfigError: The `[plugins]` table is malformed; the text names the key.
    """
    table = _table(config.get("plugins", {}), "plugins")
    if unknown := sorted(set(table) - {"disable", "allow", "prefer"}):
        raise _malformed(
            "is not a key of [plugins]; there are disable, allow and prefer", "plugins", unknown[0]
        )
    allow: tuple[Choice, ...] | None = _names(table["allow"], "allow") if "allow" in table else None
    if allowed := _split(environ.get("LLLM_PLUGINS_ALLOW", ""), "LLLM_PLUGINS_ALLOW"):
        allow = allowed
    return PluginSettings(
        enabled=enabled,
        disable=(
            *_split(environ.get("LLLM_PLUGINS_DISABLE", ""), "LLLM_PLUGINS_DISABLE"),
            *_names(table.get("disable", []), "disable"),
        ),
        allow=allow,
        prefer=_preferences(table.get("prefer", {})),
        strict=environ.get("LLLM_PLUGINS_STRICT", "").strip().lower() not in {"", "0", "false", "no"},
    )


def _split(text: str, origin: str) -> tuple[Choice, ...]:
    return tuple(Choice(normalise(name), origin) for name in text.replace(",", " ").split())


def _names(value: Any, key: str) -> tuple[Choice, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _malformed(f"must be a list of strings, got {_shape(value)}", "plugins", key)
    return tuple(Choice(normalise(name), f"plugins.{key} in {_CONFIG}") for name in value)


def _preferences(value: Any) -> dict[str, str]:
    table = _table(value, "plugins", "prefer")
    for key, name in table.items():
        kind, _, contested = key.partition(":")
        if not contested or kind not in _KINDS:
            kinds = ", ".join(sorted(_KINDS))
            raise _malformed(
                f'must look like "runtime:name"; the kinds are {kinds}', "plugins", "prefer", key
            )
        if not isinstance(name, str):
            raise _malformed(f"must name a distribution, got {_shape(name)}", "plugins", "prefer", key)
    return {key: normalise(name) for key, name in table.items()}


def _table(value: Any, *key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(f"must be a table, got {_shape(value)}", *key)
    return value


def _shape(value: Any) -> str:
    if isinstance(value, list):
        return f"a list with {', '.join(sorted({type(item).__name__ for item in value})) or 'nothing'}"
    return type(value).__name__


def _malformed(text: str, *key: str) -> ConfigError:
    shown = ".".join(f'"{part}"' if ":" in part or "." in part else part for part in key)
    return ConfigError(f"`{one_line(shown)}` {text}.", key=key)

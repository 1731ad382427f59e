"""The tables `[stores.<name>]` of a config: stores that bindings name instead of a path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lllm.config import find_line
from lllm.errors import ConfigError
from lllm.names import copy_boundary
from lllm.secrets import find_secret_key
from lllm.store.names import is_name
from sssn.locations import leaves_root

__all__ = ["TARGET_KEYS", "read_store_tables"]

TARGET_KEYS = ("path", "url")


def read_store_tables(
    config: Mapping[str, Any], *, source: Path | None, allow_outside: bool
) -> dict[str, dict[str, Any]]:
    """Read the store tables of a config.

    Args:
        config: The tables of the config.
        source: The file they came from, for the errors.
        allow_outside: Allow paths that leave the config's folder.

    Returns:
        A copy of each table, by name.

    Raises:
        ConfigError: `[stores]` or one of its tables is malformed; the text names file, line and key.
    """
    stores = config.get("stores", {})
    if not isinstance(stores, Mapping):
        raise _error("[stores] must be a TOML table.", source)
    tables = {}
    for name, table in stores.items():
        fault = _fault(name, table, allow_outside=allow_outside)
        if fault is not None:
            raise _error(fault, source, name)
        tables[name] = copy_boundary(table)
    return tables


def _fault(name: str, table: Any, *, allow_outside: bool) -> str | None:
    """Say what is wrong with one table, or None."""
    if not is_name(name):
        return "[stores.<name>] must use a non-empty path-segment name."
    if not isinstance(table, Mapping):
        return f"[stores.{name}] must be a TOML table."
    if (fault := _target_fault(name, table, allow_outside=allow_outside)) is not None:
        return fault
    if not isinstance(table.get("metadata", {}), Mapping):
        return f"[stores.{name}.metadata] must be a TOML table."
    if (secret := find_secret_key(table)) is not None:
        return (
            f"[stores.{name}] must not hold a raw secret key `{secret}`; keep the secret elsewhere and name it "
            "with `api_key_ref`"
        )
    return None


def _target_fault(name: str, table: Mapping[str, Any], *, allow_outside: bool) -> str | None:
    if len(table.keys() & set(TARGET_KEYS)) > 1:
        return f"[stores.{name}] must declare only one of path and url."
    for key in TARGET_KEYS:
        value = table.get(key, "-")
        if not isinstance(value, str) or value.split() != [value]:
            return f"[stores.{name}] {key} must be a non-empty string without whitespace."
        if not allow_outside and leaves_root(value):
            return f"[stores.{name}] {key} must stay inside the folder of the config: {value}"
    return None


def _error(message: str, source: Path | None, *name: str) -> ConfigError:
    key = ("stores", *name)
    line = None
    if source is not None:
        try:
            line = find_line(source.read_text(encoding="utf-8"), key)
        except (OSError, ValueError):
            line = None
    return ConfigError(message, path=source, line=line, key=key)

"""Merging configs: maps merge, lists and everything else replace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["copied", "deep_merge"]


def deep_merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both maps merged, as new maps and lists; neither argument is changed.

    Args:
        below: The defaults.
        above: What goes over them.
    """
    merged = {key: copied(value) for key, value in below.items()}
    for key, value in above.items():
        current = merged.get(key)
        if isinstance(current, Mapping) and isinstance(value, Mapping):
            merged[key] = deep_merge(current, value)
        else:
            merged[key] = copied(value)
    return merged


def copied(value: Any) -> Any:
    """Return a copy of maps and lists at every depth; other objects, such as clients, are shared.

    Args:
        value: A config or a part of one.
    """
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value

"""Checks of numeric arguments."""

from __future__ import annotations

from math import isfinite
from typing import Any

__all__ = ["check_count", "check_seconds"]


def check_count(value: Any, label: str) -> int:
    """Return a positive integer.

    Args:
        value: Anything.
        label: Name of the argument, for the error.

    Raises:
        ValueError: It is not an integer of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{label} must be an integer of at least 1, not {value!r}.")
    return value


def check_seconds(value: Any, label: str) -> float:
    """Return a number of seconds.

    Args:
        value: Anything.
        label: Name of the argument, for the error.

    Raises:
        ValueError: It is not a finite number of at least 0.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or value < 0:
        raise ValueError(f"{label} must be a finite number of seconds, at least 0, not {value!r}.")
    return float(value)

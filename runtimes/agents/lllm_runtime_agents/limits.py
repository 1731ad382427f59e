"""The limits of an agent: how often, how long and how much."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

__all__ = ["LIMITS", "check_limit", "check_limits"]

_COUNTS = frozenset({"max_exception_retry", "max_interrupt_steps", "max_llm_recall", "rate_limit_retries"})
_AMOUNTS = frozenset({"rate_limit_max_wait", "max_cost_usd"})
_FLAGS = frozenset({"parallel_tools"})
_SECONDS = frozenset({"tool_timeout"})

LIMITS = (*sorted(_COUNTS | _AMOUNTS | _FLAGS | _SECONDS),)
"""Names of the limits, as configs and `Agent` call them."""


def check_limits(owner: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits among some settings; one that is None is left out.

    Args:
        owner: Whose they are, for the error.
        settings: Names and values; others are ignored.

    Raises:
        ValueError: A limit is of the wrong type or out of range.
    """
    return {
        name: check_limit(owner, name, settings[name]) for name in LIMITS if settings.get(name) is not None
    }


def check_limit(owner: str, name: str, value: Any) -> Any:
    """Return a limit when it is one.

    Args:
        owner: Whose it is, for the error.
        name: Its name.
        value: Anything.

    Raises:
        ValueError: It is of the wrong type or out of range.
    """
    if name in _FLAGS:
        wanted, good = "true or false", isinstance(value, bool)
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        wanted, good = ("an integer" if name in _COUNTS else "a finite number") + " of at least 0", False
    elif name in _COUNTS:
        wanted, good = "an integer of at least 0", isinstance(value, int) and value >= 0
    elif name in _SECONDS:
        wanted, good = "a number of seconds above 0", value > 0
    else:
        wanted, good = "a finite number of at least 0", value >= 0
    if not good:
        raise ValueError(f"{owner}: '{name}' must be {wanted}, got {value!r}")
    return value

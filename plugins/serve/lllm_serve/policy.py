"""What holds for the calls of one tactic: how many, how long, and what happens when the caller leaves."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from lllm import Tactic

__all__ = [
    "ON_DISCONNECT",
    "TacticPolicy",
    "check_count",
    "check_on_disconnect",
    "check_seconds",
    "policy_of",
]

ON_DISCONNECT = ("cancel", "continue")


@dataclass(frozen=True, slots=True)
class TacticPolicy:
    """Limits of one tactic in a service; None leaves the matter to the service.

    A tactic may say the same for itself with attributes of these names; what the service says wins.

    Args:
        on_disconnect: `cancel` or `continue` the work when the caller leaves.
        max_concurrency: How many calls run at once; further ones wait.
        max_queue: How many may wait before callers are told to come back later (429).
        request_timeout: Seconds that a call may take.
        max_body_bytes: Largest body of a request, if that is less than the service takes.

    Raises:
        ValueError: A value is out of range; the text names the field.
    """

    on_disconnect: str | None = None
    max_concurrency: int | None = None
    max_queue: int | None = None
    request_timeout: float | None = None
    max_body_bytes: int | None = None

    def __post_init__(self) -> None:
        check_on_disconnect(self.on_disconnect)
        check_count(self.max_concurrency, "max_concurrency", least=1)
        check_count(self.max_queue, "max_queue", least=0)
        check_seconds(self.request_timeout, "request_timeout")
        check_count(self.max_body_bytes, "max_body_bytes", least=1)


def policy_of(tactic: Tactic[Any, Any], given: TacticPolicy | None) -> TacticPolicy:
    """Return what holds for a tactic: what is given for it, else what it says itself.

    Args:
        tactic: The tactic.
        given: What the service was told, or None.

    Raises:
        ValueError: The tactic says something that is out of range.
    """
    chosen = {}
    for field in fields(TacticPolicy):
        value = None if given is None else getattr(given, field.name)
        chosen[field.name] = getattr(tactic, field.name, None) if value is None else value
    return TacticPolicy(**chosen)


def check_on_disconnect(value: object) -> None:
    """Check what happens when a caller leaves.

    Args:
        value: Anything; None is fine.

    Raises:
        ValueError: It is neither `cancel` nor `continue`.
    """
    if value is not None and value not in ON_DISCONNECT:
        raise ValueError(f"on_disconnect must be `cancel` or `continue`, not {value!r}.")


def check_count(value: object, label: str, *, least: int) -> None:
    """Check a number of things.

    Args:
        value: Anything; None is fine.
        label: Name of the option, for the error.
        least: The smallest number that is allowed.

    Raises:
        ValueError: It is no integer of at least `least`.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise ValueError(f"{label} must be an integer of at least {least} or None, not {value!r}.")


def check_seconds(value: object, label: str) -> None:
    """Check a duration.

    Args:
        value: Anything; None is fine.
        label: Name of the option, for the error.

    Raises:
        ValueError: It is no positive finite number.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and isfinite(value) and value > 0):  # type: ignore[arg-type, operator]
        raise ValueError(f"{label} must be a positive number of seconds or None, not {value!r}.")

"""How long a failed event waits before it is tried again, and which failures no further try can mend."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from random import uniform

from lllm import SchemaError, TacticUnsupportedError
from lllm.errors import InvalidPayloadError

__all__ = ["Backoff", "is_final"]

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that grow with the attempts.

    Attributes:
        first: Seconds after the first failure.
        factor: By what the pause grows with each further one.
        longest: Most seconds.

    Raises:
        ValueError: A number is negative or not finite.
    """

    first: float = 1.0
    factor: float = 2.0
    longest: float = 300.0

    def __post_init__(self) -> None:
        for name in ("first", "factor", "longest"):
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not isfinite(value)
                or value < 0
            ):
                raise ValueError(f"{name} must be a finite number of at least 0, not {value!r}.")

    def delay(self, attempt: int, error: BaseException) -> float:
        """Return the seconds before the next attempt, spread at random so that failures do not come back at once.

        Args:
            attempt: The attempt that failed, from 1.
            error: Why; a `retry_after` in seconds is respected, up to a day.
        """
        pause = min(self.longest, self.first * self.factor ** min(attempt - 1, 60)) * uniform(0.5, 1.0)
        asked = getattr(error, "retry_after", None)
        if isinstance(asked, bool) or not isinstance(asked, (int, float)) or not isfinite(asked):
            return pause
        return max(pause, min(float(asked), _DAY))


def is_final(error: BaseException) -> bool:
    """Tell whether an event can never be processed: its payload does not match, or its result cannot be stored.

    Args:
        error: What the tactic or the store raised.
    """
    if isinstance(error, SchemaError):
        return error.direction == "input"
    return isinstance(error, (TacticUnsupportedError, InvalidPayloadError))

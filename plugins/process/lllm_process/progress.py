"""What a processor has done so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

__all__ = ["Progress"]


@dataclass(slots=True)
class Progress:
    """Counts of one processor since it was started.

    Attributes:
        done: Events whose output is stored.
        repeated: Events whose output was stored before, by an attempt that ended in between.
        retried: Failed attempts whose event was given back.
        failed: Events that were given up and went to the dead letters.
        lost: Leases that ran out before the work was done; somebody else has the event.
        released: Events that were given back unworked, because the processor stopped.
        lag: Events that were waiting when last asked, None when not asked yet.
    """

    done: int = 0
    repeated: int = 0
    retried: int = 0
    failed: int = 0
    lost: int = 0
    released: int = 0
    lag: int | None = None
    _started: float = field(default_factory=monotonic, repr=False)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._started

    @property
    def rate(self) -> float:
        """Outputs per second since the start."""
        return (self.done + self.repeated) / max(self.seconds, 1e-9)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts with time and rate, as plain values."""
        counts = asdict(self)
        del counts["_started"]
        return {**counts, "seconds": round(self.seconds, 3), "rate": round(self.rate, 1)}

"""What a proof of the crash kit found."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CrashReport"]


@dataclass(slots=True)
class CrashReport:
    """What happened to a store that was mistreated.

    Args:
        acknowledged: How many writes the store had acknowledged.
        points: At how many moments the store was looked at.
        lost: What was acknowledged and is gone or different.
        problems: Whatever else is wrong: half a batch, a failed check, an error of the wrong kind.
    """

    acknowledged: int = 0
    points: int = 0
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was lost and nothing is wrong."""
        return not self.lost and not self.problems

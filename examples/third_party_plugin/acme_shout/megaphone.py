"""The megaphone: stands for the objects of a library that know nothing of LLLM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Megaphone:
    """Says a text in capital letters with exclamation marks.

    Args:
        marks: How many exclamation marks.
    """

    marks: int = 1

    def say(self, text: str) -> str:
        """Return the text, shouted.

        Args:
            text: What to say.
        """
        return text.upper() + "!" * self.marks

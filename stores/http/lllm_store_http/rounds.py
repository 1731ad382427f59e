"""Long waits as several long polls."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

__all__ = ["ROUND_SECONDS", "wait_rounds"]

ROUND_SECONDS = 5.0
"""How long one long poll asks the server to wait: so long may a closed store still wait for its answer."""


def wait_rounds(timeout: float) -> Iterator[float]:
    """Yield how long each long poll waits until a timeout is filled: at least one, the last one maybe 0.

    Args:
        timeout: The whole wait, in seconds.
    """
    deadline = monotonic() + timeout
    while True:
        yield max(0.0, min(ROUND_SECONDS, deadline - monotonic()))
        if monotonic() >= deadline:
            return

"""What the routes of a served store share: the store, its limits, and checks of query values."""

from __future__ import annotations

from dataclasses import dataclass

from lllm.errors import InvalidPayloadError
from lllm.store import AsyncStore, Store

__all__ = ["StoreAccess"]


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """A store as the routes see it.

    Attributes:
        store: The store.
        aio: Its asynchronous face; no route blocks the event loop.
        max_limit: Most records in one answer.
        max_wait: Longest wait of a long poll in seconds.
    """

    store: Store
    aio: AsyncStore
    max_limit: int
    max_wait: float

    def limit(self, value: int, label: str = "limit") -> int:
        """Return a limit that is not above the most.

        Args:
            value: What was asked for; the store checks the rest.
            label: Name of the field, for the error.

        Raises:
            InvalidPayloadError: It is above the most.
        """
        if value > self.max_limit:
            raise InvalidPayloadError(f"{label} must be less than or equal to {self.max_limit}.")
        return value

    def at_most(self, value: int | None) -> int | None:
        """Return a limit of what is handed out: "up to" so many may always be fewer.

        Args:
            value: What was asked for, None for the subscription's own batch size.
        """
        return None if value is None else min(value, self.max_limit)

    def wait(self, value: float | None) -> float:
        """Return how long to wait, at most the longest.

        Args:
            value: Seconds that were asked for, None for no wait.

        Raises:
            InvalidPayloadError: It is negative or not a number.
        """
        if value is None:
            return 0.0
        if not value >= 0:
            raise InvalidPayloadError("wait must be greater than or equal to 0.")
        return min(value, self.max_wait)

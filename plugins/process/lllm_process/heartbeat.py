"""Keeps leases alive while work goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from lllm.errors import LeaseLostError
from lllm.store import AsyncStore

__all__ = ["Heartbeat"]

logger = logging.getLogger("lllm.process")


class Heartbeat:
    """Extends all leases in hand, three times within their length.

    Args:
        store: The store that leased them.
        lease_seconds: Length of a lease in seconds.
        lost: Told the token of a lease that somebody else has.
    """

    def __init__(self, store: AsyncStore, lease_seconds: float, lost: Callable[[str], None]) -> None:
        self._store = store
        self._seconds = lease_seconds
        self._lost = lost
        self.tokens: set[str] = set()

    async def run(self) -> None:
        """Beat until cancelled; a store that cannot be reached is asked again at the next beat."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            try:
                await self.beat()
            except Exception as error:
                # Without a heartbeat all work would be lost and repeated, whatever one beat has failed of.
                logger.warning("could not extend leases: %s", error)

    async def beat(self) -> None:
        """Extend every lease once."""
        while tokens := sorted(self.tokens):
            try:
                await self._store.extend(tokens, seconds=self._seconds)
            except LeaseLostError as error:
                for token in error.tokens:
                    self.tokens.discard(token)
                    self._lost(token)
                continue
            return

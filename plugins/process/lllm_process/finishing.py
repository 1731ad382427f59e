"""How results reach the store: in one commit with the acknowledgement where that is possible."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lllm.errors import EventConflictError, EventNotFoundError, InvalidPayloadError, LeaseLostError
from lllm.store import AsyncStore, Delivery, Event
from lllm_process.progress import Progress

__all__ = ["Finished", "Finisher"]

logger = logging.getLogger("lllm.process")


@dataclass(frozen=True, slots=True)
class Finished:
    """A delivery and the event that its work made, or None when it has no output channel."""

    delivery: Delivery
    output: Event | None


class Finisher:
    """Stores results and acknowledges inputs.

    Within one store both are one commit: no crash can separate them. With two stores the output is written first and
    then the input acknowledged; a crash in between repeats the work, and the output that is there already stands.

    Args:
        source: Store of the input.
        target: Store of the output; the same object when it is one store.
        progress: Where to count.
    """

    def __init__(self, source: AsyncStore, target: AsyncStore, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress

    @property
    def atomic(self) -> bool:
        """Whether output and acknowledgement are one commit."""
        return self._source is self._target

    async def finish(self, batch: Sequence[Finished]) -> list[tuple[Finished, Exception]]:
        """Store the outputs of a batch and acknowledge its inputs.

        Args:
            batch: Finished work, in any order.

        Returns:
            What could not be stored, with the reason.
        """
        try:
            await self._write(batch)
        except (EventConflictError, EventNotFoundError, InvalidPayloadError, LeaseLostError) as error:
            if len(batch) == 1:
                return await self._finish_alone(batch[0], error)
            # One bad member fails the whole commit; alone, only it fails.
            failures = []
            for item in batch:
                failures += await self.finish([item])
            return failures
        self._progress.done += len(batch)
        return []

    async def _write(self, batch: Sequence[Finished]) -> None:
        tokens = [item.delivery.token for item in batch]
        outputs = [item.output for item in batch if item.output is not None]
        if self.atomic:
            await self._source.commit(acks=tokens, events=outputs)
            return
        if outputs:
            await self._target.append_events(outputs)
        await self._source.ack(tokens)

    async def _finish_alone(self, item: Finished, error: Exception) -> list[tuple[Finished, Exception]]:
        if isinstance(error, LeaseLostError):
            self._progress.lost += 1
            logger.warning("the lease of event %s ran out before its work was done", item.delivery.event.id)
            return []
        if isinstance(error, EventConflictError):
            return await self._keep_first(item)
        return [(item, error)]

    async def _keep_first(self, item: Finished) -> list[tuple[Finished, Exception]]:
        """Acknowledge an input whose output is stored already, with other content: the first result stands."""
        try:
            await self._source.ack([item.delivery.token])
        except LeaseLostError as error:
            return await self._finish_alone(item, error)
        self._progress.repeated += 1
        logger.info("event %s has an output already; it was kept", item.delivery.event.id)
        return []


def same_store(source: Any, target: Any) -> bool:
    """Tell whether two open stores are one: the same object, directory or address."""
    if source is target:
        return True
    if type(source) is not type(target):
        return False
    for name in ("root", "base_url"):
        mine, other = getattr(source, name, None), getattr(target, name, None)
        if mine is not None and mine == other:
            return True
    return False

"""The processor: lease events, run the tactic, store the result and acknowledge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from typing import Any

from lllm import Tactic, as_tactic
from lllm.errors import SSSNError
from lllm.names import check_token
from lllm.store import Store
from lllm_process.backoff import Backoff
from lllm_process.finishing import same_store
from lllm_process.outputs import token_of
from lllm_process.progress import Progress
from lllm_process.run import Run

__all__ = ["Processor"]

logger = logging.getLogger("lllm.process")


class Processor:
    """Runs the events of a subscription through a tactic and stores the results in another channel.

    A crash anywhere costs nothing but time. Within one store each event has exactly one output, however often workers
    die: output and acknowledgement are one commit, and the id of an output is derived from its input. Where input and
    output are in different stores the output is written first; after a crash in between the work is repeated and the
    output that is there already stands. What the tactic itself does elsewhere happens at least once; the request id
    of its context is the same in every attempt.

    Several processors on one subscription share its events.

    Args:
        store: Store of the input.
        subscription: Id of a subscription in it.
        tactic: The tactic, or anything that `lllm.as_tactic` takes.
        output: Channel for the results; None keeps none.
        target: Store of the output channel; default the input's.
        workers: How many events are worked on at once.
        kind: Kind of the output events; default `result`.
        source: Source of the output events; default `lllm process`.
        backoff: Pauses before failed events are tried again.
        max_attempts: After so many attempts an event is given up, when the subscription itself sets no
            `max_deliveries`; None tries for ever.
        timeout: Seconds that one attempt may take, or None.
        lease_seconds: Length of a lease; leases are extended while work goes on. Default the subscription's, else 30.
        generation: Tells the outputs of a deliberate second processing from those of the first.
        grace: Seconds that running work gets to finish when the processor is asked to stop.
        on_progress: Called with the `Progress` after every change.

    Raises:
        ValueError: A number or name is malformed.
        SSSNError: A store does not lease events.
    """

    def __init__(
        self,
        store: Store,
        subscription: str,
        tactic: Any,
        *,
        output: str | None = None,
        target: Store | None = None,
        workers: int = 1,
        kind: str = "result",
        source: str = "lllm process",
        backoff: Backoff | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        lease_seconds: float | None = None,
        generation: str = "",
        grace: float = 30.0,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.store = store
        self.target = store if target is None or same_store(store, target) else target
        self.subscription = subscription
        self.tactic: Tactic[Any, Any] = as_tactic(tactic)
        self.output = output
        self.workers = _positive(workers, "workers")
        self.kind = check_token(kind, "kind")
        self.source = source
        self.consumer = token_of(source)
        self.backoff = backoff or Backoff()
        self.max_attempts = None if max_attempts is None else _positive(max_attempts, "max_attempts")
        self.timeout = None if timeout is None else _seconds(timeout, "timeout")
        self.lease_seconds = None if lease_seconds is None else _seconds(lease_seconds, "lease_seconds")
        self.generation = generation
        self.grace = _seconds(grace, "grace", least=0.0)
        self.progress = Progress()
        self._on_progress = on_progress
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_asked = False
        _check_store(store, self.target, self.atomic)

    @property
    def atomic(self) -> bool:
        """Whether output and acknowledgement are one commit."""
        if self.store is not self.target:
            return False
        return bool(self.store.capabilities().get("atomic_commit", False))

    def run(self, *, once: bool = False) -> Progress:
        """Process events until asked to stop.

        Args:
            once: Return when nothing is waiting any more, failed events that wait for another try included.
        """
        return asyncio.run(self.arun(once=once))

    def stop(self) -> None:
        """Ask the processor to stop: finish what is running, give back the rest. Safe from any thread and handler."""
        self._stop_asked = True
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            with suppress(RuntimeError):  # the loop has just ended
                loop.call_soon_threadsafe(stopping.set)

    async def arun(self, *, once: bool = False) -> Progress:
        """Process events until asked to stop; the same as `run`. Cancelling it gives back what is leased."""
        self.progress = Progress()
        self._stopping, self._loop = asyncio.Event(), asyncio.get_running_loop()
        if self._stop_asked:
            self._stopping.set()
        run = Run(self, once, self._stopping)
        try:
            await run.until_done()
        finally:
            self._loop = None
        return self.progress

    def changed(self) -> None:
        """Tell the listener that the progress changed; what it raises is logged and changes nothing."""
        if self._on_progress is None:
            return
        try:
            self._on_progress(self.progress)
        except Exception:
            logger.exception("the listener of the progress failed")

    @property
    def is_watched(self) -> bool:
        """Whether somebody listens to the progress."""
        return self._on_progress is not None


def _positive(value: Any, label: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{label} must be an integer of at least 1, not {value!r}.")
    return value


def _seconds(value: Any, label: str, least: float | None = None) -> float:
    """Return a number of seconds: more than 0, or at least `least`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    if not number or (value <= 0 if least is None else value < least):
        bound = "more than 0" if least is None else f"at least {least:g}"
        raise ValueError(f"{label} must be a finite number of {bound}, not {value!r}.")
    return float(value)


def _check_store(store: Store, target: Store, atomic: bool) -> None:
    """Refuse a store that cannot lease, and say loudly when outputs and acknowledgements are two commits."""
    if not store.capabilities().get("leases", False):
        raise SSSNError(
            f"{type(store).__name__} does not lease events; a processor would lose them in a crash."
        )
    if not atomic:
        why = (
            "input and output are in different stores"
            if store is not target
            else "the store has no atomic commit"
        )
        logger.warning("%s: a crash may repeat the work on an event, whose first output then stands", why)

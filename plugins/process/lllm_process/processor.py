"""The processor: lease events, run the tactic, store the result and acknowledge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from pydantic_core import PydanticSerializationError

from lllm import DeadlineExceeded, Tactic, as_tactic
from lllm.errors import (
    ChannelNotFoundError,
    EventNotFoundError,
    InvalidPayloadError,
    LeaseLostError,
    SSSNError,
    StoreClosedError,
    StoreFormatError,
    SubscriptionNotFoundError,
)
from lllm.names import check_token
from lllm.store import Delivery, Store
from lllm_process.backoff import Backoff, is_final
from lllm_process.finishing import Finished, Finisher, same_store
from lllm_process.heartbeat import Heartbeat
from lllm_process.outputs import call_context, output_event, output_id, token_of
from lllm_process.progress import Progress

__all__ = ["Processor"]

logger = logging.getLogger("lllm.process")

_COMMIT_LIMIT = 200
"""Most results in one commit."""

_PERMANENT = (
    ChannelNotFoundError,
    EventNotFoundError,
    InvalidPayloadError,
    StoreClosedError,
    StoreFormatError,
    SubscriptionNotFoundError,
)
"""Failures of a store that waiting cannot mend."""

_RECONNECT = Backoff(first=0.2, factor=2.0, longest=30.0)


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
        self.timeout = timeout
        self.lease_seconds = lease_seconds
        self.generation = generation
        self.grace = grace
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
        run = _Run(self, once, self._stopping)
        try:
            await run.until_done()
        finally:
            self._loop = None
        return self.progress

    def changed(self) -> None:
        """Tell the listener that the progress changed."""
        if self._on_progress is not None:
            self._on_progress(self.progress)


class _Run:
    """One run of a processor: what is leased, what is worked on, what waits for its commit."""

    def __init__(self, processor: Processor, once: bool, stopping: asyncio.Event) -> None:
        self.processor = processor
        self.once = once
        self.stopping = stopping
        self.progress = processor.progress
        self.source = processor.store.aio
        self.target = self.source if processor.target is processor.store else processor.target.aio
        self.finisher = Finisher(self.source, self.target, self.progress)
        self.working: dict[str, asyncio.Task[None]] = {}
        self.finished: asyncio.Queue[Finished] = asyncio.Queue()
        self.room = asyncio.Event()

    async def until_done(self) -> None:
        """Lease and work until there is nothing left or somebody asks to stop."""
        seconds = await self._lease_seconds()
        self.heartbeat = Heartbeat(self.source, seconds, self._lost)
        helpers = [asyncio.create_task(self.heartbeat.run()), asyncio.create_task(self._commit_results())]
        try:
            await self._lease_loop(seconds, helpers[1])
            await self._finish_running(helpers[1])
        finally:
            await self._give_back()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _lease_seconds(self) -> float:
        if self.processor.lease_seconds is not None:
            return self.processor.lease_seconds
        subscription = await self.source.get_subscription(self.processor.subscription)
        return subscription.lease_seconds or 30.0

    async def _lease_loop(self, seconds: float, committer: asyncio.Task[None]) -> None:
        failures = 0
        while not self.stopping.is_set():
            self._raise_failure(committer)
            room = self.processor.workers - len(self.working)
            if room <= 0:
                await self._until_room()
                continue
            try:
                deliveries = await self._lease(room, seconds)
                failures = 0
                if not deliveries and self.once and await self._caught_up():
                    return
            except _PERMANENT:
                raise
            except SSSNError as error:
                failures += 1
                await self._after_store_failure(error, failures)
                continue
            for delivery in deliveries:
                self._start(delivery)

    async def _lease(self, room: int, seconds: float) -> tuple[Delivery, ...]:
        """Lease events, waiting for them a while unless there is work to watch or an end to reach."""
        wait = 0.0 if self.once else 1.0
        lease = asyncio.ensure_future(
            self.source.lease(
                self.processor.subscription,
                limit=room,
                lease_seconds=seconds,
                consumer=self.processor.consumer,
                wait=wait,
            )
        )
        stopped = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({lease, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not lease.done():
                return ()
            return lease.result()
        finally:
            stopped.cancel()
            if not lease.done():
                lease.cancel()
                await asyncio.gather(lease, return_exceptions=True)

    async def _caught_up(self) -> bool:
        """Tell whether nothing is left for this subscription; otherwise wait a moment for what is."""
        if self.working or not self.finished.empty():
            await self._until_room()
            return False
        lag = await self.source.lag(self.processor.subscription)
        self.progress.lag = lag.undelivered + lag.delayed + lag.in_flight
        if self.progress.lag == 0:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), 0.05)
        return False

    async def _until_room(self) -> None:
        """Wait until some work is done, or a stop is asked for."""
        self.room.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self.room, self.stopping)]
        try:
            await asyncio.wait(waits, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _after_store_failure(self, error: SSSNError, failures: int) -> None:
        """Wait before the store is asked again; a store that is busy or away must not end a processor."""
        pause = _RECONNECT.delay(failures, error)
        logger.warning("the store failed, trying again in %.1f s: %s", pause, error)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), pause)

    def _start(self, delivery: Delivery) -> None:
        self.heartbeat.tokens.add(delivery.token)
        task = asyncio.create_task(self._work(delivery))
        self.working[delivery.token] = task

    async def _work(self, delivery: Delivery) -> None:
        """Run the tactic on one event; whatever happens, the delivery is finished, given back or given up."""
        processor = self.processor
        event_id = output_id(delivery.subscription, delivery.event.id, processor.generation)
        try:
            context = call_context(delivery, event_id).limit(processor.timeout)
            result = await processor.tactic.arun(delivery.event.payload, context=context)
            output = None
            if processor.output is not None:
                output = output_event(
                    delivery,
                    result,
                    event_id=event_id,
                    channel=processor.output,
                    source=processor.source,
                    kind=processor.kind,
                    foreign=self.target is not self.source,
                )
        except asyncio.CancelledError:
            self._done_with(delivery.token)
            raise
        except PydanticSerializationError as error:
            await self._failed(delivery, InvalidPayloadError(f"The result cannot be stored: {error}"))
        except Exception as error:
            await self._failed(delivery, error)
        else:
            await self.finished.put(Finished(delivery, output))

    async def _commit_results(self) -> None:
        """Commit finished work, everything that is ready at once."""
        failures = 0
        while True:
            batch = [await self.finished.get()]
            while len(batch) < _COMMIT_LIMIT and not self.finished.empty():
                batch.append(self.finished.get_nowait())
            while True:
                try:
                    refused = await self.finisher.finish(batch)
                    break
                except _PERMANENT:
                    raise
                except SSSNError as error:
                    failures += 1
                    await self._after_store_failure(error, failures)
                    if self.stopping.is_set() and failures > 3:
                        raise
            failures = 0
            refusals = {id(item): error for item, error in refused}
            for item in batch:
                refusal = refusals.get(id(item))
                if refusal is None:
                    self._done_with(item.delivery.token)
                else:
                    await self._failed(item.delivery, refusal)
            self.processor.changed()

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        """Give a failed event back for another try, or up."""
        text = f"{type(error).__name__}: {error}"
        limit = self.processor.max_attempts
        given_up = is_final(error) or (limit is not None and delivery.attempt >= limit)
        try:
            if given_up:
                await self.source.reject([delivery.token], error=text)
                self.progress.failed += 1
            else:
                delay = self.processor.backoff.delay(delivery.attempt, error)
                given_up = await self._nack(delivery, delay, text)
        except LeaseLostError:
            self.progress.lost += 1
        except SSSNError as failure:
            # The lease runs out by itself and the event comes back.
            logger.warning("could not give event %s back: %s", delivery.event.id, failure)
        finally:
            self._done_with(delivery.token)
        level = logging.ERROR if given_up else logging.WARNING
        what = "given up" if given_up else "failed and is tried again"
        logger.log(
            level,
            "event %s %s after attempt %d: %s",
            delivery.event.id,
            what,
            delivery.attempt,
            text,
            exc_info=None if isinstance(error, DeadlineExceeded) else error,
        )
        self.processor.changed()

    async def _nack(self, delivery: Delivery, delay: float, text: str) -> bool:
        """Give an event back; return whether that was its last delivery, so that the store has given it up."""
        await self.source.nack([delivery.token], delay=delay, error=text)
        subscription = await self.source.get_subscription(delivery.subscription)
        last = subscription.max_deliveries is not None and delivery.attempt >= subscription.max_deliveries
        if last:
            self.progress.failed += 1
        else:
            self.progress.retried += 1
        return last

    def _done_with(self, token: str) -> None:
        self.heartbeat.tokens.discard(token)
        self.working.pop(token, None)
        self.room.set()

    def _lost(self, token: str) -> None:
        """Stop working on an event that somebody else has."""
        task = self.working.pop(token, None)
        if task is not None:
            self.progress.lost += 1
            task.cancel()
            self.room.set()

    async def _finish_running(self, committer: asyncio.Task[None]) -> None:
        """Let running work finish, as long as the grace lasts."""
        end = monotonic() + self.processor.grace
        while self.working and monotonic() < end:
            self._raise_failure(committer)
            self.room.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.room.wait(), max(0.0, min(0.5, end - monotonic())))

    async def _give_back(self) -> None:
        """Cancel what still runs and give its events back, so that others need not wait for the leases."""
        tokens = list(self.working)
        tasks = list(self.working.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.working.clear()
        for token in tokens:
            try:
                await self.source.release([token])
                self.progress.released += 1
            except SSSNError as error:
                logger.info("could not give an event back: %s", error)
        self.processor.changed()

    @staticmethod
    def _raise_failure(committer: asyncio.Task[None]) -> None:
        """Raise what ended the committing, which nothing but a store that is closed or wrong does."""
        if committer.done():
            committer.result()


def _positive(value: Any, label: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{label} must be an integer of at least 1, not {value!r}.")
    return value


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

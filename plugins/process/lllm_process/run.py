"""One run of a processor: what is leased, what is worked on, what waits for its commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from lllm import DeadlineExceeded
from lllm.errors import (
    ChannelNotFoundError,
    EventNotFoundError,
    InvalidPayloadError,
    LeaseLostError,
    SSSNError,
    StoreClosedError,
    StoreDamagedError,
    StoreFormatError,
    StoreReadOnlyError,
    SubscriptionNotFoundError,
)
from lllm.store import Delivery, Event
from lllm_process.attempt import UNHEEDED, as_failure, attempt, failure_text, is_from_outside
from lllm_process.backoff import Backoff, is_final
from lllm_process.finishing import Finished, Finisher
from lllm_process.heartbeat import Heartbeat
from lllm_process.outputs import call_context, output_event, output_id

if TYPE_CHECKING:
    from lllm_process.processor import Processor

__all__ = ["Run"]

logger = logging.getLogger("lllm.process")

_COMMIT_LIMIT = 200
"""Most results in one commit."""

_PERMANENT = (
    ChannelNotFoundError,
    EventNotFoundError,
    InvalidPayloadError,
    StoreClosedError,
    StoreDamagedError,
    StoreFormatError,
    StoreReadOnlyError,
    SubscriptionNotFoundError,
)
"""Failures of a store that waiting cannot mend."""

_UNSTORABLE = (EventNotFoundError, InvalidPayloadError)
"""Refusals of a single result that no further try can mend."""

_RECONNECT = Backoff(first=0.2, factor=2.0, longest=30.0)
_LAG_EVERY = 2.0
"""Seconds between looks at how much is waiting, while somebody watches."""


class Run:
    """One run of a processor, from the first lease to the last commit.

    Args:
        processor: What is to be done, and how.
        once: Whether it ends when nothing is waiting.
        stopping: Set when it is to end.
    """

    def __init__(self, processor: Processor, once: bool, stopping: asyncio.Event) -> None:
        self.processor = processor
        self.once = once
        self.stopping = stopping
        self.progress = processor.progress
        self.source = processor.store.aio
        self.target = self.source if processor.target is processor.store else processor.target.aio
        self.finisher = Finisher(self.source, self.target, self.progress)
        self.working: dict[str, asyncio.Task[None]] = {}
        self.left_behind: set[asyncio.Task[Any]] = set()
        self.finished: asyncio.Queue[Finished] = asyncio.Queue()
        self.room = asyncio.Event()

    async def until_done(self) -> None:
        """Lease and work until there is nothing left or somebody asks to stop."""
        seconds = await self._lease_seconds()
        self.heartbeat = Heartbeat(self.source, seconds, self._lost)
        committer = asyncio.create_task(self._commit_results())
        helpers = [committer, asyncio.create_task(self.heartbeat.run())]
        if self.processor.is_watched:
            helpers.append(asyncio.create_task(self._watch_lag()))
        try:
            await self._lease_loop(seconds, committer)
            await self._finish_running(committer)
        finally:
            await self._give_back()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        if self.processor.is_watched:
            # What is shown at the end is what the next run will find.
            with suppress(SSSNError, TimeoutError):
                await asyncio.wait_for(self._measure_lag(), _LAG_EVERY)

    async def _lease_seconds(self) -> float:
        if self.processor.lease_seconds is not None:
            return self.processor.lease_seconds
        subscription = await self.source.get_subscription(self.processor.subscription)
        return subscription.lease_seconds or 30.0

    async def _lease_loop(self, seconds: float, committer: asyncio.Task[None]) -> None:
        failures = 0
        while not self.stopping.is_set():
            _raise_failure(committer)
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
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), _pause_after(error, failures))
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
        await self._measure_lag()
        if self.progress.lag == 0:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), 0.05)
        return False

    async def _measure_lag(self) -> None:
        lag = await self.source.lag(self.processor.subscription)
        self.progress.lag = lag.undelivered + lag.delayed + lag.in_flight

    async def _watch_lag(self) -> None:
        """Keep the lag that is shown up to date until cancelled."""
        while True:
            before = self.progress.lag
            with suppress(SSSNError):
                await self._measure_lag()
            if self.progress.lag != before:
                self.processor.changed()
            await asyncio.sleep(_LAG_EVERY)

    async def _until_room(self) -> None:
        """Wait until some work is done, or a stop is asked for."""
        self.room.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self.room, self.stopping)]
        try:
            await asyncio.wait(waits, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _start(self, delivery: Delivery) -> None:
        self.heartbeat.tokens.add(delivery.token)
        task = asyncio.create_task(self._work(delivery))
        self.working[delivery.token] = task

    async def _work(self, delivery: Delivery) -> None:
        """Run the tactic on one event; whatever happens, the delivery is finished, given back or given up."""
        try:
            output = await self._output_of(delivery)
        except BaseException as error:
            if is_from_outside(error):
                self._done_with(delivery.token)
                raise
            await self._failed(delivery, as_failure(error))
        else:
            await self.finished.put(Finished(delivery, output))

    async def _output_of(self, delivery: Delivery) -> Event | None:
        processor = self.processor
        event_id = output_id(delivery.subscription, delivery.event.id, processor.generation)
        context = call_context(delivery, event_id)
        result = await attempt(
            processor.tactic, delivery.event.payload, context, processor.timeout, self._leave_behind
        )
        if processor.output is None:
            return None
        return output_event(
            delivery,
            result,
            event_id=event_id,
            channel=processor.output,
            source=processor.source,
            kind=processor.kind,
            foreign=self.target is not self.source,
        )

    def _leave_behind(self, task: asyncio.Task[Any]) -> None:
        """Keep a task that does not end where the collector does not find it."""
        self.left_behind.add(task)
        task.add_done_callback(self.left_behind.discard)

    async def _commit_results(self) -> None:
        """Commit finished work, everything that is ready at once."""
        while True:
            batch = [await self.finished.get()]
            while len(batch) < _COMMIT_LIMIT and not self.finished.empty():
                batch.append(self.finished.get_nowait())
            refusals = {id(item): error for item, error in await self._commit(batch)}
            for item in batch:
                refusal = refusals.get(id(item))
                if refusal is None:
                    self._done_with(item.delivery.token)
                else:
                    await self._failed(item.delivery, refusal, final=isinstance(refusal, _UNSTORABLE))
            self.processor.changed()

    async def _commit(self, batch: Sequence[Finished]) -> list[tuple[Finished, Exception]]:
        """Commit a batch, however long the store is away; return what the store refuses, with the reason."""
        failures = 0
        while True:
            try:
                return await self.finisher.finish(batch)
            except _PERMANENT:
                raise
            except SSSNError as error:
                failures += 1
                await asyncio.sleep(_pause_after(error, failures))
                # A store that answers and still takes no result may find that one result too large.
                if failures > 1 and type(error) is SSSNError and await self._answers():
                    return await self._commit_one_by_one(batch)

    async def _commit_one_by_one(self, batch: Sequence[Finished]) -> list[tuple[Finished, Exception]]:
        refused: list[tuple[Finished, Exception]] = []
        for item in batch:
            try:
                refused += await self.finisher.finish([item])
            except _PERMANENT:
                raise
            except SSSNError as error:
                refused.append((item, error))
        return refused

    async def _answers(self) -> bool:
        """Tell whether the store of the outputs can be reached."""
        try:
            if self.processor.output is None:
                await self._measure_lag()
            else:
                await self.target.head(self.processor.output)
        except SSSNError:
            return False
        return True

    async def _failed(self, delivery: Delivery, error: Exception, *, final: bool = False) -> None:
        """Give a failed event back for another try, or up."""
        text = failure_text(error)
        limit = self.processor.max_attempts
        given_up = final or is_final(error) or (limit is not None and delivery.attempt >= limit)
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
        """Stop working on an event that somebody else has; finished work finds out at its commit."""
        task = self.working.pop(token, None)
        if task is not None and not task.done():
            self.progress.lost += 1
            task.cancel()
        self.room.set()

    async def _finish_running(self, committer: asyncio.Task[None]) -> None:
        """Let running work finish, as long as the grace lasts."""
        end = monotonic() + self.processor.grace
        while self.working and monotonic() < end:
            _raise_failure(committer)
            self.room.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.room.wait(), max(0.0, min(0.5, end - monotonic())))

    async def _give_back(self) -> None:
        """Cancel what still runs and give its events back, so that others need not wait for the leases."""
        tokens, tasks = list(self.working), list(self.working.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=UNHEEDED)
        self.working.clear()
        while tokens:
            try:
                await self.source.release(tokens)
                self.progress.released += len(tokens)
                break
            except LeaseLostError as error:
                tokens = [token for token in tokens if token not in error.tokens]
            except SSSNError as error:
                logger.info("could not give %d events back: %s", len(tokens), error)
                break
        self.processor.changed()


def _pause_after(error: SSSNError, failures: int) -> float:
    """Return how long to wait before the store is asked again: one that is busy or away must not end a processor."""
    pause = _RECONNECT.delay(failures, error)
    logger.warning("the store failed, trying again in %.1f s: %s", pause, error)
    return pause


def _raise_failure(committer: asyncio.Task[None]) -> None:
    """Raise what ended the committing, which nothing but a store that is closed or wrong does."""
    if committer.done():
        committer.result()

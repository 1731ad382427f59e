"""Limit: at most so many calls at once, and at most so many in a time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from threading import Lock
from typing import Any

from lllm import Tactic
from lllm.context import CallContext, check_deadline
from lllm_wrappers.numbers import check_count, check_seconds
from lllm_wrappers.renewal import Renewed
from lllm_wrappers.waiting import wait_for
from lllm_wrappers.wrapper import Wrapper, aclose

__all__ = ["LimitTactic", "limit"]


class LimitTactic(Renewed, Wrapper, register=False):
    """A tactic that runs at most so often; further calls wait their turn, first come, first served.

    Calls from threads and from event loops share one queue. A stream holds its place until it ends. Copies and forked
    processes count for themselves.

    Args:
        tactic: The tactic inside.
        concurrency: Most calls at once, or None.
        rate: Most calls begun within `per` seconds, or None.
        per: Seconds that `rate` counts over.
        name: Name instead of `<inner name>_limit`.

    Raises:
        ValueError: A number is malformed, or neither limit is given.
    """

    _own_state = ("_gate", "_starts", "_lock")

    def __init__(
        self,
        tactic: Tactic[Any, Any],
        *,
        concurrency: int | None = None,
        rate: int | None = None,
        per: float = 1.0,
        name: str | None = None,
    ) -> None:
        if concurrency is None and rate is None:
            raise ValueError("limit() needs concurrency=, rate= or both.")
        self.concurrency = None if concurrency is None else check_count(concurrency, "concurrency")
        self.rate = None if rate is None else check_count(rate, "rate")
        self.per = check_seconds(per, "per")
        self._begin_state()
        super().__init__(tactic, "limit", name=name)

    def _renew(self) -> None:
        self._gate = _Gate(self.concurrency)
        self._starts: deque[float] = deque(maxlen=self.rate)
        self._lock = Lock()

    def _run(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        self._enter(context)
        try:
            return self.tactic.run(input_value, context=context, **kwargs)
        finally:
            self._gate.leave()

    async def _arun(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        await self._aenter()
        try:
            return await self.tactic.arun(input_value, context=context, **kwargs)
        finally:
            self._gate.leave()

    def _stream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Iterator[Any]:
        self._enter(context)
        try:
            yield from self.tactic.stream(input_value, context=context, **kwargs)
        finally:
            self._gate.leave()

    def _astream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._held(self.tactic.astream, input_value, context, kwargs)

    def _aevents(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        return self._held(self.tactic.aevents, input_value, context, kwargs)

    async def _held(
        self, method: Any, input_value: Any, context: CallContext, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        await self._aenter()
        source: Any = None
        try:
            source = method(input_value, context=context, **kwargs)
            async for chunk in source:
                yield chunk
        finally:
            await aclose(source)
            self._gate.leave()

    def _enter(self, context: CallContext) -> None:
        """Wait for a place and for the pace, at most until the deadline."""
        place = self._gate.enter()
        try:
            if place is not None:
                wait_for(place, context)
        except BaseException:
            self._gate.give_up(place)
            raise
        try:
            due = self._due()
            if due > 0:
                remaining = context.remaining
                time.sleep(due if remaining is None else max(0.0, min(due, remaining)))
                check_deadline(context)
        except BaseException:
            self._gate.leave()
            raise

    async def _aenter(self) -> None:
        place = self._gate.enter()
        try:
            if place is not None:
                await asyncio.shield(asyncio.wrap_future(place))
        except BaseException:
            self._gate.give_up(place)
            raise
        try:
            due = self._due()
            if due > 0:
                await asyncio.sleep(due)
        except BaseException:
            self._gate.leave()
            raise

    def _due(self) -> float:
        """Book the next start and return the seconds until it."""
        if self.rate is None:
            return 0.0
        with self._lock:
            now = time.monotonic()
            full = len(self._starts) == self.rate
            start = max(now, self._starts[0] + self.per) if full else now
            self._starts.append(start)
            return start - now


class _Gate:
    """Counts who is inside and hands places over in the order of arrival, across threads and loops."""

    def __init__(self, places: int | None) -> None:
        self._places = places
        self._inside = 0
        self._waiting: deque[Future[None]] = deque()
        self._lock = Lock()

    def enter(self) -> Future[None] | None:
        """Take a place, or return a future that is done when one has been handed over."""
        with self._lock:
            if self._places is None or self._inside < self._places:
                self._inside += 1
                return None
            place: Future[None] = Future()
            self._waiting.append(place)
            return place

    def leave(self) -> None:
        """Hand the place to whoever has waited longest."""
        with self._lock:
            while self._waiting:
                place = self._waiting.popleft()
                if place.set_running_or_notify_cancel():
                    place.set_result(None)
                    return
            self._inside -= 1

    def give_up(self, place: Future[None] | None) -> None:
        """Stop waiting; a place that was handed over in the meantime goes on to the next."""
        if place is None or not place.cancel():
            self.leave()


def limit(tactic: Tactic[Any, Any], **options: Any) -> LimitTactic:
    """Return a tactic that runs at most so often.

    Args:
        tactic: The tactic inside.
        **options: Arguments of `LimitTactic`.
    """
    return LimitTactic(tactic, **options)

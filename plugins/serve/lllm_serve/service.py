"""The running side of a service: its tactics, its limits, the calls under way, and how it starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from lllm.background import run_in_thread
from lllm_serve.failures import Refusal
from lllm_serve.idempotency import Idempotency
from lllm_serve.late_watch import LateWatch
from lllm_serve.limiter import Full, Limiter
from lllm_serve.options import ServiceOptions
from lllm_serve.served import Served
from lllm_serve.threads import Threads

if TYPE_CHECKING:
    from lllm_serve.exchange import Exchange
    from lllm_serve.guard import GuardRules

__all__ = ["LAST_WORDS_SECONDS", "Service", "leave_all"]

RETRY_SECONDS = 1.0


class Service:
    """What the routes of one application share; `app.state.lllm_service`.

    Args:
        served: The tactics by name in URLs.
        options: How the service behaves.
        rules: What its guard checks.

    Attributes:
        draining: Whether the service takes no new calls.
        watch: Finds the requests that take their time.
    """

    def __init__(self, served: Mapping[str, Served], options: ServiceOptions, rules: GuardRules) -> None:
        self.served = dict(served)
        self.options = options
        self.rules = rules
        self.limiter = Limiter(options.max_concurrency, options.max_queue)
        self.threads = Threads(options.threads, options.max_queue)
        self.idempotency = Idempotency(options.idempotency)
        self.watch = LateWatch()
        self.draining = False
        self._large: ThreadPoolExecutor | None = None
        self._active: set[Exchange] = set()
        self._lifespans: list[Callable[[], AbstractAsyncContextManager[Any]]] = []

    # Calls

    @property
    def active(self) -> int:
        """How many calls are under way."""
        return len(self._active)

    def begin(self, exchange: Exchange) -> None:
        """Note that a request has come.

        Args:
            exchange: The request.
        """
        self._active.add(exchange)

    def end(self, exchange: Exchange) -> None:
        """Note that a request is answered.

        Args:
            exchange: The request.
        """
        self._active.discard(exchange)

    async def admit(self, served: Served, *, needs_thread: bool = False) -> Sequence[Limiter]:
        """Let a call begin, waiting for its turn when it must.

        Args:
            served: The tactic.
            needs_thread: Whether the call occupies a thread all the time, as a synchronous stream does.

        Returns:
            The limiters in which the call has a place now; each must be left.

        Raises:
            Refusal: The service is stopping or too much is going on (503), or too many call this tactic (429).
        """
        if self.draining:
            raise Refusal(503, "ServiceUnavailable", "The service is stopping.", retry_after=RETRY_SECONDS)
        limiters = [limiter for limiter in (served.limiter, self.limiter) if limiter.running is not None]
        if needs_thread:
            limiters.append(self.threads.limiter)
        if not limiters:
            return ()
        for index, limiter in enumerate(limiters):
            try:
                await limiter.enter()
            except BaseException as error:
                leave_all(limiters[:index])
                if isinstance(error, Full):
                    raise _busy(served, per_tactic=limiter is served.limiter) from error
                raise
        return limiters

    async def in_thread(self, served: Served, function: Callable[..., Any], *args: Any) -> Any:
        """Call a synchronous function in a thread of the service.

        Args:
            served: The tactic it belongs to.
            function: The function.
            *args: Its arguments.

        Raises:
            Refusal: Too many wait for a thread (503).
        """
        try:
            return await self.threads.call(function, *args)
        except Full as error:
            raise _busy(served, per_tactic=False) from error

    async def large(self, function: Callable[..., Any], *args: Any) -> Any:
        """Decode or encode something large away from the event loop.

        There is one thread for that: the work holds the interpreter's lock anyway, and what one thread has freed it
        can use again, while many would each keep memory of their own.

        Args:
            function: Decodes or encodes.
            *args: Its arguments.
        """
        if self._large is None:
            self._large = ThreadPoolExecutor(1, thread_name_prefix="lllm-serve-large")
        return await run_in_thread(function, *args, executor=self._large)

    # Start and stop

    def add_lifespan(self, make: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        """Enter something when the service starts, and leave it when the service stops.

        Args:
            make: Returns an asynchronous context manager.
        """
        self._lifespans.append(make)

    @asynccontextmanager
    async def lifespan(self, _: Any = None) -> AsyncIterator[None]:
        """Open what tactics and plugins need, and close it again."""
        self.draining = False
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.idempotency.close)
            stack.callback(self._close_threads)
            for served in _each_once(self.served.values()):
                await _enter(stack, served)
            for make in self._lifespans:
                await stack.enter_async_context(make())
            try:
                yield
            finally:
                # Whoever has drained the service already has waited long enough.
                await self.drain(0.0 if self.draining else None)

    def _close_threads(self) -> None:
        self.threads.close()
        large, self._large = self._large, None
        if large is not None:
            large.shutdown(wait=False)

    async def drain(self, seconds: float | None = None) -> None:
        """Take no new calls and wait for those under way; what is not done in time is ended.

        Streams that are ended say so and get their last frame; other calls are answered with 503.

        Args:
            seconds: How long to wait; the option `drain_timeout` when None.
        """
        self.draining = True
        until = monotonic() + (self.options.drain_timeout if seconds is None else seconds)
        while self._active and monotonic() < until:
            await asyncio.sleep(0.02)
        for exchange in tuple(self._active):
            exchange.abort(
                Refusal(503, "ServiceUnavailable", "The service is stopping.", retry_after=RETRY_SECONDS)
            )
        until = monotonic() + LAST_WORDS_SECONDS
        while self._active and monotonic() < until:
            await asyncio.sleep(0.02)


LAST_WORDS_SECONDS = 2.0
"""Seconds that ended calls get to answer."""


def leave_all(limiters: Iterable[Limiter]) -> None:
    """Give back the places of a call.

    Args:
        limiters: What `Service.admit` returned.
    """
    for limiter in limiters:
        limiter.leave()


def _busy(served: Served, *, per_tactic: bool) -> Refusal:
    if per_tactic:
        text = f"Too many calls of tactic '{served.name}' are under way; try again later."
        return Refusal(429, "TooManyRequests", text, retry_after=RETRY_SECONDS)
    text = "Too many calls are under way in this service; try again later."
    return Refusal(503, "ServiceUnavailable", text, retry_after=RETRY_SECONDS)


def _each_once(served: Iterable[Served]) -> Iterable[Served]:
    return {id(each.tactic): each for each in served}.values()


async def _enter(stack: AsyncExitStack, served: Served) -> None:
    """Enter a tactic that is a context manager: it has something to open and close."""
    tactic: Any = served.tactic
    try:
        if hasattr(type(tactic), "__aenter__"):
            await stack.enter_async_context(tactic)
        elif hasattr(type(tactic), "__enter__"):
            stack.enter_context(tactic)
    except Exception as error:
        raise RuntimeError(f"tactic `{served.name}` could not be opened: {error}") from error

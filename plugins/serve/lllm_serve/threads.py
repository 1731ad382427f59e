"""The threads of a service: a fixed number, so that slow synchronous work neither blocks the loop nor piles up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from lllm_serve.limiter import Limiter

__all__ = ["Threads"]

T = TypeVar("T")


class Threads:
    """Runs synchronous work in threads, some at once and some waiting.

    Args:
        size: How many run at once.
        waiting: How many may wait.
    """

    def __init__(self, size: int, waiting: int) -> None:
        self.limiter = Limiter(size, waiting)
        self._size = size
        self._executor: ThreadPoolExecutor | None = None

    async def call(self, function: Callable[..., T], /, *args: Any) -> T:
        """Call a function in a thread, with the caller's context variables.

        A cancelled caller leaves at once; the thread keeps its place until the function returns, so work that does
        not listen cannot pile up.

        Args:
            function: A synchronous function.
            *args: Its arguments.

        Raises:
            Full: As many wait as may.
            RuntimeError: The function raises what no thread can raise, such as StopIteration.
        """
        await self.limiter.enter()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._size, thread_name_prefix="lllm-serve")
        future = self._executor.submit(copy_context().run, _contained, function, args)
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._leave_when_done(future)
            raise
        except BaseException:
            self.limiter.leave()
            raise
        self.limiter.leave()
        return result

    def _leave_when_done(self, future: Future[Any]) -> None:
        loop = asyncio.get_running_loop()

        def leave(_: Future[Any]) -> None:
            try:
                loop.call_soon_threadsafe(self.limiter.leave)
            except RuntimeError:  # the loop is closed, and the limiter with it
                return

        if future.cancel() or future.done():
            self.limiter.leave()
        else:
            future.add_done_callback(leave)

    @property
    def busy(self) -> int:
        """How many threads are at work."""
        return self.limiter.active

    def close(self) -> None:
        """Take no more work and let idle threads end."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None


def _contained(function: Callable[..., T], args: tuple[Any, ...]) -> T:
    """Call a function; what only means something to a coroutine or to the main thread becomes a plain failure."""
    try:
        return function(*args)
    except (StopIteration, GeneratorExit, KeyboardInterrupt, asyncio.CancelledError) as error:
        # A future cannot carry the first at all: whoever waits for it would wait for ever.
        raise RuntimeError(f"synchronous work raised {type(error).__name__}") from error

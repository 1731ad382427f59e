"""Crossing between threads and event loops without blocking either side.

One background loop per process drives coroutines for synchronous callers: clients of model providers and HTTP
pools are bound to the loop that first used them, so a fresh loop for each call would break them. Code that blocks
that loop by driving again gets a second loop, and so on; each is kept. Synchronous work that an event loop waits
for runs in worker threads with the caller's context variables.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from queue import SimpleQueue
from threading import Event, Lock, Semaphore, Thread, current_thread
from typing import Any, ParamSpec, TypeVar

__all__ = ["adrive", "drive", "iterate_async", "iterate_in_thread", "run_in_thread", "running_loop"]

T = TypeVar("T")
P = ParamSpec("P")

_AHEAD = 64
"""How many items a stream may run ahead of its reader."""


class _Loop:
    """The background loop and its thread, started on first use and again after a fork."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.thread: Thread | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        """Return the running loop."""
        with self._lock:
            if self._loop is None:
                ready = Event()
                loop = asyncio.new_event_loop()
                loop.call_soon(ready.set)
                self.thread = Thread(target=_run_on, args=(loop,), name="lllm-background", daemon=True)
                self.thread.start()
                ready.wait()
                self._loop = loop
            return self._loop


def _run_on(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop for as long as the process lives.

    A task that wants to end the process ends its loop's run; the task has kept the exception for who waits for it.
    """
    while True:
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


_loops = [_Loop()]
"""The background loop, then one for each level of driving inside of driven code that blocks the loop before."""

_level: ContextVar[int] = ContextVar("lllm_background_level", default=0)
_workers: ThreadPoolExecutor | None = None
_workers_lock = Lock()


def _forget() -> None:
    """In a forked child the threads of the parent do not exist."""
    global _workers, _workers_lock  # noqa: PLW0603
    _loops[:] = [_Loop()]
    _workers = None
    _workers_lock = Lock()


os.register_at_fork(after_in_child=_forget)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for its result.

    It works in any thread, also where an event loop is running (that loop waits). Context variables are those of
    the caller. A synchronous tool that is called by driven code may drive again: where the background loop itself
    waits, another one is used.

    Args:
        coroutine: What to run.

    Returns:
        The coroutine's result.

    Raises:
        BaseException: Whatever the coroutine raises. An interrupt while waiting cancels it.
    """
    context = copy_context()
    future = _submit(coroutine, _free_loop(context), context)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def adrive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and await its result from whatever loop is running here.

    What is bound to one loop, such as a pool of connections, can so be shared by the callers of many. Context
    variables are those of the caller; cancelling the caller cancels the coroutine.

    Args:
        coroutine: What to run.

    Returns:
        The coroutine's result.
    """
    loop = _loop_here()
    if loop.thread is current_thread():
        return await coroutine
    return await asyncio.wrap_future(_submit(coroutine, loop, copy_context()))


def _loop_here() -> _Loop:
    """Return the loop of the level that this code runs at."""
    return _loops[min(_level.get(), len(_loops) - 1)]


def _free_loop(context: Context) -> _Loop:
    """Return a loop that nobody who waits for this thread blocks, and note its level in the context.

    Only the thread of a level makes the next one, so levels need no lock.
    """
    loop = _loop_here()
    if loop.thread is not current_thread():
        return loop
    level = _loops.index(loop) + 1
    if level == len(_loops):
        _loops.append(_Loop())
    context.run(_level.set, level)
    return _loops[level]


def _submit(coroutine: Coroutine[Any, Any, T], background: _Loop, context: Context) -> Future[T]:
    """Start a coroutine on a background loop; cancelling the future cancels the task."""
    loop = background.get()
    future: Future[T] = Future()

    def start() -> None:
        task = loop.create_task(coroutine, context=context)
        future.add_done_callback(
            lambda done: loop.call_soon_threadsafe(task.cancel) if done.cancelled() else None
        )
        task.add_done_callback(partial(_copy_outcome, future))

    loop.call_soon_threadsafe(start)
    return future


def _copy_outcome(future: Future[T], task: asyncio.Task[T]) -> None:
    # From here on the future cannot be cancelled any more, so that setting its outcome cannot fail.
    if not future.set_running_or_notify_cancel():
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not report it as forgotten
        return
    if task.cancelled():
        future.set_exception(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


def _pool() -> ThreadPoolExecutor:
    global _workers  # noqa: PLW0603
    with _workers_lock:
        if _workers is None:
            # Threads start only when none is idle; the limit is a stop against runaways. Services and batch
            # calls limit their concurrency themselves.
            _workers = ThreadPoolExecutor(512, thread_name_prefix="lllm-worker")
        return _workers


async def run_in_thread(
    function: Callable[..., T], /, *args: Any, executor: ThreadPoolExecutor | None = None, **kwargs: Any
) -> T:
    """Call a function in a worker thread, with the caller's context variables.

    Args:
        function: A synchronous function.
        *args: Its positional arguments.
        executor: Threads to use instead of the process's own workers.
        **kwargs: Its keyword arguments.

    Returns:
        What the function returns.

    Raises:
        RuntimeError: The function raises StopIteration, which a future cannot carry.
    """
    loop = asyncio.get_running_loop()
    call = partial(copy_context().run, _without_stop, function, args, kwargs)
    return await loop.run_in_executor(executor or _workers or _pool(), call)


def _without_stop(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("a function in a worker thread raised StopIteration") from error


class _End:
    """Marks the end of a handed-over stream and carries the error it ended with."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


async def iterate_in_thread(make: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
    """Iterate over a synchronous iterator without blocking the event loop.

    The iterator is made, advanced and closed in one worker thread and may run at most 64 items ahead. Leaving the
    loop early closes it.

    Args:
        make: Returns the iterator; called in the worker thread.

    Yields:
        The iterator's items.
    """
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[Any] = asyncio.Queue()
    room = Semaphore(_AHEAD)
    stopped = Event()

    def pump() -> None:
        error: BaseException | None = None
        try:
            iterator = make()
            try:
                for item in iterator:
                    room.acquire()
                    if stopped.is_set():
                        break
                    loop.call_soon_threadsafe(items.put_nowait, item)
            finally:
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as raised:
            error = raised
        # The reader may have left together with its loop.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(items.put_nowait, _End(error))

    _pool().submit(copy_context().run, pump)
    try:
        while True:
            item = await items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                break
            room.release()
            yield item
    finally:
        stopped.set()
        room.release()


def iterate_async(make: Callable[[], AsyncIterator[T]]) -> Generator[T, None, None]:
    """Iterate over an asynchronous iterator from synchronous code.

    One task on the background loop makes, advances and closes the iterator, so that whatever it opens is closed
    where it was opened. It may run at most 64 items ahead.

    Args:
        make: Returns the iterator; called on the background loop.

    Yields:
        The iterator's items.
    """
    items: SimpleQueue[Any] = SimpleQueue()
    context = copy_context()
    background = _free_loop(context)
    loop = background.get()
    room = asyncio.Semaphore(_AHEAD)

    async def pump() -> None:
        error: BaseException | None = None
        try:
            iterator = make()
            try:
                async for item in iterator:
                    await room.acquire()
                    items.put(item)
            finally:
                close = getattr(iterator, "aclose", None)
                if close is not None:
                    await close()
        except BaseException as raised:
            error = raised
        items.put(_End(error))

    future = _submit(pump(), background, context)
    try:
        while not isinstance(item := items.get(), _End):
            loop.call_soon_threadsafe(room.release)
            yield item
        if item.error is not None:
            raise item.error
    finally:
        future.cancel()

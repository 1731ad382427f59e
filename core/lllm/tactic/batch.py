"""Many calls at once, and the threads that calls of agent groups run in."""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from lllm.background import run_in_thread
from lllm.calls import active_call
from lllm.context import CallContext

if TYPE_CHECKING:
    from lllm.calls import Call
    from lllm.tactic.boundary import Tactic

__all__ = ["bcall", "ccall", "executor_of", "in_worker", "save_session", "workers_of"]

logger = logging.getLogger("lllm.tactic")

_DEFAULT_WORKERS = 4
_executors: dict[int, ThreadPoolExecutor] = {}
_lock = Lock()
_NOT_STARTED = object()


def workers_of(config: Mapping[str, Any] | None) -> int:
    """Return how many calls run at once: `max_workers` of a config, else 4.

    Args:
        config: An agent-group config, or None.

    Raises:
        ValueError: `max_workers` is not a positive integer.
    """
    value = config.get("max_workers") if isinstance(config, Mapping) else None
    return _DEFAULT_WORKERS if value is None else _check_workers(value)


def _check_workers(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"max_workers must be a positive integer, not {value!r}.")
    return value


def executor_of(tactic: Tactic[Any, Any]) -> ThreadPoolExecutor:
    """Return the threads that belong to one tactic; they end with it.

    Args:
        tactic: An agent-group tactic.
    """
    with _lock:
        executor = _executors.get(id(tactic))
        if executor is None:
            name = f"lllm-{tactic.tactic_name}"
            executor = _executors[id(tactic)] = ThreadPoolExecutor(tactic.max_workers, name)
            weakref.finalize(tactic, _drop, id(tactic))
        return executor


def _drop(key: int) -> None:
    # Without the lock: the collector may call this in the thread that holds it.
    executor = _executors.pop(key, None)
    if executor is not None:
        executor.shutdown(wait=False)


def _forget() -> None:
    """In a forked child the threads of the parent do not exist, and its lock may be held for ever."""
    global _lock  # noqa: PLW0603
    _lock = Lock()
    _executors.clear()


os.register_at_fork(after_in_child=_forget)


async def in_worker(
    worker: Tactic[Any, Any], input_value: Any, context: CallContext | None, kwargs: dict[str, Any]
) -> Any:
    """Run a synchronous implementation in a worker thread.

    Args:
        worker: The tactic, or the copy that is bound to the call.
        input_value: The validated input.
        context: The context of the call.
        kwargs: What else the implementation gets.
    """
    call = active_call.get()
    owner = worker if call is None else call.tactic
    return await run_in_thread(worker._run, input_value, executor=owner.executor, context=context, **kwargs)


def bcall(
    tactic: Tactic[Any, Any],
    tasks: Iterable[Any],
    max_workers: int | None,
    fail_fast: bool,
    return_sessions: Any,
    kwargs: dict[str, Any],
) -> list[Any]:
    """Call a tactic for many tasks in threads; see `Tactic.bcall`."""
    mode = _session_mode(return_sessions, fail_fast, kwargs)
    size = tactic.max_workers if max_workers is None else _check_workers(max_workers)
    failed = Event()

    def job(task: Any) -> Any:
        if failed.is_set():
            return _NOT_STARTED
        try:
            return tactic.run(task, return_session=mode, **kwargs)
        except Exception:
            if fail_fast:
                failed.set()
            raise

    with ThreadPoolExecutor(size, f"lllm-{tactic.tactic_name}") as pool:
        futures = [pool.submit(copy_context().run, job, task) for task in tasks]
        try:
            return [_outcome(future, fail_fast) for future in futures]
        except BaseException:
            failed.set()
            raise


def _outcome(future: Future[Any], fail_fast: bool) -> Any:
    if fail_fast:
        return future.result()
    error = future.exception()
    return future.result() if error is None else error


def _session_mode(return_sessions: Any, fail_fast: bool, kwargs: dict[str, Any]) -> Any:
    """Return what a single call is asked for; a failed session can stand in a list of sessions."""
    wanted = kwargs.pop("return_session", False) or return_sessions
    return "always" if wanted is True and not fail_fast else wanted


async def ccall(
    tactic: Tactic[Any, Any],
    tasks: Iterable[Any],
    max_workers: int | None,
    fail_fast: bool,
    return_sessions: Any,
    kwargs: dict[str, Any],
) -> AsyncIterator[tuple[int, Any]]:
    """Call a tactic for many tasks and yield results as they complete; see `Tactic.ccall`."""
    mode = _session_mode(return_sessions, fail_fast, kwargs)
    size = tactic.max_workers if max_workers is None else _check_workers(max_workers)
    above = active_call.get()
    waiting = iter(enumerate(tasks))
    done: asyncio.Queue[tuple[int, Any] | None] = asyncio.Queue()

    pool = ThreadPoolExecutor(size, f"lllm-{tactic.tactic_name}") if _runs_in_threads(tactic) else None

    async def call(task: Any) -> Any:
        if pool is None:
            return await tactic.arun(task, return_session=mode, **kwargs)
        context = CallContext.fresh(None if above is None else above.context)
        try:
            return await run_in_thread(
                tactic.run, task, executor=pool, context=context, return_session=mode, **kwargs
            )
        except asyncio.CancelledError:
            context.cancel()
            raise

    async def work() -> None:
        for index, task in waiting:
            try:
                result = await call(task)
            except Exception as error:
                _mark_index(error, index)
                result = error
                if fail_fast:
                    await done.put((index, _Failed(error)))
                    return
            await done.put((index, result))

    workers = [asyncio.create_task(work()) for _ in range(size)]
    finished = asyncio.create_task(_announce_end(workers, done))
    try:
        while (item := await done.get()) is not None:
            if isinstance(item[1], _Failed):
                raise item[1].error
            yield item
    finally:
        for worker in (*workers, finished):
            worker.cancel()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _runs_in_threads(tactic: Tactic[Any, Any]) -> bool:
    """Tell whether a batch needs threads of its own: the tactic's are as many as *its* batches run at once."""
    traits = tactic._traits
    return traits.call and not (traits.call_is_async or traits.implements)


class _Failed:
    """An exception that ends the iteration, as opposed to one that is a result."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def _announce_end(workers: list[asyncio.Task[None]], done: asyncio.Queue[Any]) -> None:
    await asyncio.gather(*workers, return_exceptions=True)
    await done.put(None)


def _mark_index(error: Exception, index: int) -> None:
    try:
        error.task_index = index  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        return


def save_session(log_store: Any, call: Call) -> None:
    """Save the session of a root call; a store that fails is logged and never fails the call.

    Args:
        log_store: An object with `save_session(session, tags=, metadata=)`.
        call: A call that has ended.
    """
    session = call.session
    try:
        log_store.save_session(session, tags=session.tags, metadata=session.metadata)
    except Exception:
        logger.exception("could not save the session of tactic %r", session.tactic_name)

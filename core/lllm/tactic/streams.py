"""How streamed calls run: whichever kind of stream a tactic brings, both kinds of reader can read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Self

from lllm.background import drive, iterate_async, iterate_in_thread, running_loop
from lllm.calls import Call, active_call
from lllm.context import CallContext, check_deadline
from lllm.errors import DeadlineExceeded, TacticError, TacticUnsupportedError
from lllm.events import TacticEvent

if TYPE_CHECKING:
    from lllm.tactic.boundary import Tactic

__all__ = ["aevents", "astream", "before_deadline", "drive_awaitable", "events_of", "stream"]


def drive_awaitable(tactic: Tactic[Any, Any], awaitable: Any, call: Call) -> Any:
    """Drive an asynchronous implementation for a synchronous caller.

    Args:
        tactic: The tactic, for the error.
        awaitable: What its implementation returned.
        call: The call, whose deadline ends the work.

    Raises:
        TacticError: An event loop is running in this thread, which waiting would block.
        DeadlineExceeded: The deadline passed first; the work is cancelled.
    """
    if running_loop() is not None:
        close = getattr(awaitable, "close", None)
        if close is not None:
            close()
        raise TacticError(
            f"`{tactic.tactic_name}` is asynchronous and an event loop is running in this thread; "
            f"await arun() instead of calling run()."
        )
    return drive(before_deadline(awaitable, call.context) if call.bounded else _await(awaitable))


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def before_deadline(awaitable: Awaitable[Any], context: CallContext) -> Any:
    """Await something, at most until the context's deadline.

    Args:
        awaitable: What to await.
        context: A context with a deadline.

    Raises:
        DeadlineExceeded: The deadline passed first; the work is cancelled.
    """
    steps = awaitable.__await__()
    try:
        # A timer costs more than most calls that finish without waiting for anything.
        waits_for = next(steps)
    except StopIteration as done:
        return done.value
    try:
        async with asyncio.timeout(context.remaining) as limit:
            return await _Begun(steps, waits_for)
    except TimeoutError as error:
        if limit.expired():
            raise DeadlineExceeded("The deadline of the call has passed.") from error
        raise


class _Begun:
    """An awaitable whose first step has been made already.

    Args:
        steps: Its further steps.
        waits_for: What the first step gave the event loop to wait for.
    """

    __slots__ = ("_first", "_steps")

    def __init__(self, steps: Any, waits_for: Any) -> None:
        self._steps = steps
        self._first = [waits_for]

    def __await__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._first.pop() if self._first else next(self._steps)

    def send(self, value: Any) -> Any:
        return self._steps.send(value)

    def throw(self, *raised: Any) -> Any:
        return self._steps.throw(*raised)

    def close(self) -> None:
        self._steps.close()


def stream(
    tactic: Tactic[Any, Any], input_value: Any, context: CallContext | None, kwargs: dict[str, Any]
) -> Iterator[Any]:
    """Return the chunks of a call; see `Tactic.stream`."""
    call, worker, value = _open(tactic, input_value, context)
    source = _sync_source(worker, value, call, kwargs)
    chunks = _observed(tactic, call, source)
    # A generator that has begun notices when it is closed or dropped, and ends the call.
    next(chunks)
    return chunks


def astream(
    tactic: Tactic[Any, Any], input_value: Any, context: CallContext | None, kwargs: dict[str, Any]
) -> AsyncIterator[Any]:
    """Return the chunks of a call as an asynchronous iterator; see `Tactic.astream`."""
    call, worker, value = _open(tactic, input_value, context)
    source = _async_source(worker, value, call, kwargs)
    return _begun(tactic, call, source)


def aevents(
    tactic: Tactic[Any, Any], input_value: Any, context: CallContext | None, kwargs: dict[str, Any]
) -> AsyncIterator[TacticEvent]:
    """Return the events of a call; see `Tactic.aevents`."""
    traits = tactic._traits
    if tactic._claimed_by is None and (traits.astream or not traits.hidden_aevents):
        return events_of(tactic.astream(input_value, context=context, **kwargs))
    call, worker, value = _open(tactic, input_value, context)
    if worker._traits.hidden_aevents:
        hooked: Any = worker
        return events_of(_begun(tactic, call, lambda: hooked._aevents(value, context=call.context, **kwargs)))
    return events_of(_begun(tactic, call, _async_source(worker, value, call, kwargs)))


async def events_of(chunks: AsyncIterator[Any]) -> AsyncIterator[TacticEvent]:
    """Wrap every chunk that is not an event yet.

    Args:
        chunks: The chunks of a call; closed when this is.

    Yields:
        Events.
    """
    try:
        async for chunk in chunks:
            yield chunk if isinstance(chunk, TacticEvent) else TacticEvent(data=chunk)
    finally:
        await _aclose(chunks)


def _open(
    tactic: Tactic[Any, Any], input_value: Any, context: CallContext | None
) -> tuple[Call, Tactic[Any, Any], Any]:
    """Validate the input and open the call; a refusal ends the call before it is raised."""
    call = tactic._begin(context)
    try:
        if not tactic.supports("stream"):
            raise TacticUnsupportedError(f"{type(tactic).__name__} does not support stream().")
        call.task = value = tactic.validate_input(input_value)
        check_deadline(call.context)
        worker = tactic if tactic._claimed_by is None else tactic._bind_stream(call)
    except BaseException as error:
        call.fail(error)
        tactic._end(call)
        raise
    return call, worker, value


def _sync_source(worker: Any, value: Any, call: Call, kwargs: dict[str, Any]) -> Callable[[], Iterator[Any]]:
    traits, context = worker._traits, call.context
    if traits.hidden_stream:
        return lambda: worker._stream(value, context=context, **kwargs)
    make = _own_async(worker, value, context, kwargs)
    if make is None:
        raise TacticUnsupportedError(f"{type(worker).__name__} does not support stream().")
    if running_loop() is not None:
        raise TacticError(
            f"`{worker.tactic_name}` streams asynchronously and an event loop is running in this thread; "
            f"iterate over astream() instead of stream()."
        )
    return lambda: iterate_async(make)


def _async_source(
    worker: Any, value: Any, call: Call, kwargs: dict[str, Any]
) -> Callable[[], AsyncIterator[Any]]:
    traits, context = worker._traits, call.context
    make = _own_async(worker, value, context, kwargs)
    if make is not None:
        return make
    if traits.hidden_stream:
        return lambda: iterate_in_thread(lambda: worker._stream(value, context=context, **kwargs))
    if traits.stream:
        return lambda: iterate_in_thread(lambda: worker.stream(value, context=context, **kwargs))
    raise TacticUnsupportedError(f"{type(worker).__name__} does not support stream().")


def _own_async(
    worker: Any, value: Any, context: CallContext, kwargs: dict[str, Any]
) -> Callable[[], AsyncIterator[Any]] | None:
    """Return the asynchronous stream that a class brings itself, or None."""
    traits = worker._traits
    if traits.hidden_astream:
        return lambda: worker._astream(value, context=context, **kwargs)
    if traits.astream:
        return lambda: worker.astream(value, context=context, **kwargs)
    if traits.hidden_aevents and not traits.hidden_stream:
        return lambda: _data_of(worker._aevents(value, context=context, **kwargs))
    if traits.aevents:
        return lambda: _data_of(worker.aevents(value, context=context, **kwargs))
    return None


async def _data_of(events: AsyncIterator[TacticEvent]) -> AsyncIterator[Any]:
    try:
        async for event in events:
            yield event.data
    finally:
        await _aclose(events)


def _checked(tactic: Tactic[Any, Any], chunk: Any) -> Any:
    """Validate the final result of a stream; other chunks pass as they are."""
    if isinstance(chunk, TacticEvent) and chunk.kind == "result":
        chunk.data = tactic.validate_output(chunk.data)
    return chunk


def _observed(tactic: Tactic[Any, Any], call: Call, make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Iterate with the call as the running one, and end the call when the stream ends, fails or is closed.

    The first item is None: it stands for having begun.
    """
    context = _context_of(call)
    source: Iterator[Any] | None = None
    last: Any = None
    try:
        yield None
        source = context.run(make)
        while True:
            try:
                chunk = context.run(next, source)
            except StopIteration:
                break
            check_deadline(call.context)
            last = _checked(tactic, chunk)
            yield last
    except BaseException as error:
        _close(context, source)
        call.fail(error)
        raise
    else:
        call.succeed(_result_of(last))
    finally:
        tactic._end(call)


def _begun(
    tactic: Tactic[Any, Any], call: Call, make: Callable[[], AsyncIterator[Any]]
) -> AsyncIterator[Any]:
    """Return the observed stream, begun where an event loop is there to end it when it is dropped."""
    if running_loop() is None:
        return _aobserved(tactic, call, make)
    chunks = _aobserved(tactic, call, make, announced=True)
    # Nothing is awaited up to the first item, so that one step is enough.
    with suppress(StopIteration):
        chunks.__anext__().__await__().send(None)
    return chunks


async def _aobserved(
    tactic: Tactic[Any, Any],
    call: Call,
    make: Callable[[], AsyncIterator[Any]],
    *,
    announced: bool = False,
) -> AsyncGenerator[Any, None]:
    """The asynchronous form of `_observed`; the first item is None only when it is `announced`."""
    source: AsyncIterator[Any] | None = None
    last: Any = None
    bounded = call.bounded
    try:
        if announced:
            yield None
        token = active_call.set(call)
        try:
            source = make().__aiter__()
        finally:
            active_call.reset(token)
        while True:
            token = active_call.set(call)
            try:
                step = source.__anext__()
                chunk = await (before_deadline(step, call.context) if bounded else step)
            except StopAsyncIteration:
                break
            finally:
                active_call.reset(token)
            last = _checked(tactic, chunk)
            yield last
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError):
            call.context.cancel()
        call.fail(error)
        await _aclose(source)
        raise
    else:
        call.succeed(_result_of(last))
    finally:
        tactic._end(call)


def _context_of(call: Call) -> Context:
    context = copy_context()
    context.run(active_call.set, call)
    return context


def _close(context: Context, source: Any) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        context.run(close)


async def _aclose(source: Any) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


def _result_of(last: Any) -> Any:
    """Return what a stream delivered as its result: the data of a final `result` event, else None."""
    return last.data if isinstance(last, TacticEvent) and last.kind == "result" else None

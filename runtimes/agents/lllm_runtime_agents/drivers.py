"""Drivers: they perform the effects of a call loop in the caller's way, blocking, awaiting or streaming."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Token, copy_context
from functools import partial
from threading import Event
from typing import Any

from lllm.background import run_in_thread
from lllm.calls import Call, active_call
from lllm_runtime_agents.call_loop import AgentCall, AskModel, Effect, UseTools, Wait
from lllm_runtime_agents.invoker import BaseStreamHandler
from lllm_runtime_agents.message import Message

__all__ = ["run", "run_async", "run_stream"]

_LOOK = 0.1
"""Seconds between looks at whether anybody still waits, while a synchronous call sleeps."""


def run(call: AgentCall) -> Message:
    """Drive a call loop to its end in this thread.

    Args:
        call: The call.

    Returns:
        The final message.
    """
    steps = call.steps()
    token = _enter(call)
    try:
        effect = next(steps)
        while True:
            try:
                answer = _perform(call, effect)
            except BaseException as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(answer)
    except StopIteration as stop:
        message: Message = stop.value
        return message
    finally:
        active_call.reset(token)


async def run_async(call: AgentCall) -> Message:
    """Drive a call loop to its end without blocking the event loop.

    Args:
        call: The call.

    Returns:
        The final message.
    """
    steps = call.steps()
    token = _enter(call)
    try:
        effect = next(steps)
        while True:
            try:
                answer = await _perform_async(call, effect)
            except BaseException as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(answer)
    except StopIteration as stop:
        message: Message = stop.value
        return message
    finally:
        active_call.reset(token)


async def run_stream(call: AgentCall) -> AsyncIterator[str | Message]:
    """Drive a call loop and yield the pieces of the replies as they come.

    Leaving the loop early cancels the call.

    Args:
        call: The call.

    Yields:
        Pieces of text, then the final message.
    """
    items: asyncio.Queue[str | None] = asyncio.Queue()
    relay = _Relay(asyncio.get_running_loop(), items, call.stream_handler)
    call.stream_handler = relay
    task = asyncio.create_task(run_async(call))
    task.add_done_callback(lambda _: items.put_nowait(None))
    try:
        while (piece := await items.get()) is not None:
            yield piece
        yield await task
    finally:
        relay.closed.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Relay(BaseStreamHandler):
    """Hands pieces over to the event loop of the reader, from whatever thread they come."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        items: asyncio.Queue[str | None],
        inner: BaseStreamHandler | None,
    ) -> None:
        self.closed = Event()
        self._loop = loop
        self._items = items
        self._inner = inner

    def handle_chunk(self, chunk_content: str, chunk_response: Any) -> None:
        """Pass a piece on; once the reader has gone, stop the invoker."""
        if self.closed.is_set():
            raise asyncio.CancelledError("The reader of the stream has gone.")
        if self._inner is not None:
            self._inner.handle_chunk(chunk_content, chunk_response)
        if chunk_content:
            self._loop.call_soon_threadsafe(self._items.put_nowait, chunk_content)


def _enter(call: AgentCall) -> Token[Call | None]:
    """Make the tactic call that pays the running one: a user's thread does not inherit it, and tools need it."""
    return active_call.set(call.call)


def _request(call: AgentCall) -> dict[str, Any]:
    agent = call.agent
    return {
        "model_args": {**agent.model_args, **call.args},
        "parser_args": call.parser_args,
        "responder": agent.name,
        "metadata": call.metadata,
        "api_type": agent.api_type,
        "stream_handler": call.stream_handler,
    }


def _perform(call: AgentCall, effect: Effect) -> Any:
    if isinstance(effect, AskModel):
        return call.agent.llm_invoker.call(effect.dialog, call.agent.model, **_request(call))
    if isinstance(effect, Wait):
        return _sleep(effect.seconds, call)
    if len(effect.uses) == 1:
        function, use = effect.uses[0]
        return function(use, call.agent.tool_timeout)
    return _use_side_by_side(effect, call.agent.tool_timeout)


def _use_side_by_side(effect: UseTools, timeout: float | None) -> None:
    with ThreadPoolExecutor(len(effect.uses), thread_name_prefix="lllm-tools") as pool:
        running = [pool.submit(copy_context().run, function, use, timeout) for function, use in effect.uses]
        for future in running:
            future.result()


def _sleep(seconds: float, call: AgentCall) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if call.call is not None and call.call.cancelled:
            return
        time.sleep(min(left, _LOOK))


async def _perform_async(call: AgentCall, effect: Effect) -> Any:
    if isinstance(effect, AskModel):
        invoker = call.agent.llm_invoker
        request = _request(call)
        if not hasattr(invoker, "acall"):
            return await run_in_thread(partial(invoker.call, effect.dialog, call.agent.model, **request))
        return await invoker.acall(effect.dialog, call.agent.model, **request)
    if isinstance(effect, Wait):
        return await asyncio.sleep(effect.seconds)
    return await asyncio.gather(
        *(function.acall(use, call.agent.tool_timeout) for function, use in effect.uses)
    )

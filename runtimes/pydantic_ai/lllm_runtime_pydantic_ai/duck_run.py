"""Runs of objects that look like an agent of the library and are none."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from lllm.background import iterate_async, iterate_in_thread, run_in_thread
from lllm.context import CallContext
from lllm.errors import TacticUnsupportedError
from lllm.events import TacticEvent
from lllm_runtime_pydantic_ai.agent_facts import accepted_by, has_method
from lllm_runtime_pydantic_ai.config import PydanticAITacticConfig
from lllm_runtime_pydantic_ai.events import to_event
from lllm_runtime_pydantic_ai.mapping import agent_input, plain_output, tactic_output
from lllm_runtime_pydantic_ai.run_arguments import given_arguments

__all__ = ["DuckRun"]

_SELECTED = {"text": "stream_text", "response": "stream_response", "output": "stream_output"}


class DuckRun:
    """Runs an object with an agent's methods for one call of a tactic.

    Args:
        agent: The object.
        config: How input and output are mapped, and what is streamed.
        value: The validated input.
        context: The context of the call.
        kwargs: Keyword arguments of the call.
    """

    def __init__(
        self,
        agent: Any,
        config: PydanticAITacticConfig,
        value: Any,
        context: CallContext,
        kwargs: Mapping[str, Any],
    ) -> None:
        self._agent = agent
        self._config = config
        self._prompt = agent_input(value, config, library=False)
        self._context = context
        self._kwargs = kwargs

    def output(self) -> Any:
        """Run the object and return the mapped output.

        Raises:
            TypeError: It has no `run_sync`.
        """
        return tactic_output(self._run_sync(), self._config)

    async def aoutput(self) -> Any:
        """Run the object asynchronously, in a thread when it cannot, and return the mapped output.

        Raises:
            TypeError: It has neither `run` nor `run_sync`.
        """
        if has_method(self._agent, "run"):
            result = self._call("run")
        else:
            result = await run_in_thread(self._run_sync)
        return tactic_output(await result if inspect.isawaitable(result) else result, self._config)

    def chunks(self) -> Iterator[Any]:
        """Run the object and yield what the stream mode selects of its stream.

        Raises:
            TacticUnsupportedError: It has no `run_stream_sync`.
        """
        if not has_method(self._agent, "run_stream_sync"):
            raise TacticUnsupportedError(
                f"`{type(self._agent).__name__}` has no run_stream_sync(), so the tactic does not support stream()."
            )
        with ExitStack() as stack:
            opened = self._call("run_stream_sync")
            selected = self._selected(stack.enter_context(opened) if hasattr(opened, "__enter__") else opened)
            if isinstance(selected, AsyncIterable):
                yield from iterate_async(lambda: aiter(selected))
            else:
                yield from _items(selected)

    async def achunks(self) -> AsyncGenerator[Any, None]:
        """Run the object asynchronously and yield what the stream mode selects of its stream."""
        if not has_method(self._agent, "run_stream"):
            async for chunk in iterate_in_thread(self.chunks):
                yield chunk
            return
        async with AsyncExitStack() as stack:
            async for chunk in _aitems(self._selected(await _opened(self._call("run_stream"), stack))):
                yield chunk

    async def events(self) -> AsyncGenerator[TacticEvent, None]:
        """Run the object and yield its events, or its chunks as events when it has none."""
        if not has_method(self._agent, "run_stream_events"):
            async for chunk in self.achunks():
                yield chunk if isinstance(chunk, TacticEvent) else TacticEvent(data=chunk)
            return
        async with AsyncExitStack() as stack:
            async for native in _aitems(await _opened(self._call("run_stream_events"), stack)):
                if getattr(native, "event_kind", None) == "agent_run_result":
                    mapped = self._config.output_mapper is not None
                    result = native.result
                    yield TacticEvent.result(
                        tactic_output(result, self._config) if mapped else plain_output(result)
                    )
                else:
                    yield to_event(native)

    def _run_sync(self) -> Any:
        if not has_method(self._agent, "run_sync"):
            raise TypeError("Pydantic AI agent must define run_sync() for sync calls.")
        return self._call("run_sync")

    def _call(self, method: str) -> Any:
        accepted = accepted_by(self._agent, method)
        arguments = given_arguments(self._config, self._kwargs, self._context, accepted)
        return getattr(self._agent, method)(self._prompt, **arguments)

    def _selected(self, stream: Any) -> Any:
        """Return the part of a stream that the mode asks for, or the stream itself as one item."""
        mode = self._config.stream_mode
        if mode == "raw":
            return [stream]
        method = getattr(stream, _SELECTED[mode], None) or getattr(stream, "stream_output", None)
        return stream if method is None else method()


async def _opened(opened: Any, stack: AsyncExitStack) -> Any:
    """Enter a context manager once, whatever it returns; await what must be awaited first."""
    if inspect.isawaitable(opened) and not hasattr(opened, "__aenter__"):
        opened = await opened
    if hasattr(opened, "__aenter__"):
        return await stack.enter_async_context(opened)
    return stack.enter_context(opened) if hasattr(opened, "__enter__") else opened


async def _aitems(selected: Any) -> AsyncIterator[Any]:
    if inspect.isawaitable(selected):
        selected = await selected
    if isinstance(selected, AsyncIterable):
        async for item in selected:
            yield item
        return
    for item in _items(selected):
        yield item


def _items(selected: Any) -> Iterable[Any]:
    """Return an iterable as it is, and anything else, texts and maps among it, as one item."""
    single = isinstance(selected, (str, bytes, Mapping)) or not isinstance(selected, Iterable)
    return [selected] if single else selected

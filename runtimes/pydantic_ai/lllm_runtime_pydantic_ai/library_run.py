"""One run of an agent of the library."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from pydantic_ai.agent import AbstractAgent

from lllm.context import CallContext
from lllm.events import TacticEvent
from lllm_runtime_pydantic_ai.config import PydanticAITacticConfig
from lllm_runtime_pydantic_ai.events import text_of, to_event
from lllm_runtime_pydantic_ai.mapping import agent_input, plain_output, tactic_output
from lllm_runtime_pydantic_ai.partial import partial_outputs, responses
from lllm_runtime_pydantic_ai.run_frame import RunFrame

__all__ = ["LibraryRun"]


class LibraryRun:
    """Runs an agent for one call of a tactic.

    The generators open the library's context managers where they are advanced, so one task must own them.

    Args:
        agent: The agent.
        config: How input and output are mapped.
        name: Name that usage and errors are told under.
        value: The validated input.
        context: The context of the call.
        kwargs: Keyword arguments of the call.
        validate: Checks the output that ends a stream.
    """

    def __init__(
        self,
        agent: AbstractAgent[Any, Any],
        config: PydanticAITacticConfig,
        name: str,
        value: Any,
        context: CallContext,
        kwargs: Mapping[str, Any],
        validate: Callable[[Any], Any],
    ) -> None:
        self._agent = agent
        self._config = config
        self._name = name
        self._prompt = agent_input(value, config, library=True)
        self._context = context
        self._kwargs = kwargs
        self._validate = validate

    async def output(self) -> Any:
        """Run the agent to its end and return the mapped output."""
        async with self._begun("run") as (arguments, meter):
            result = await self._agent.run(self._prompt, **arguments)
            meter.finish(result)
        return tactic_output(result, self._config)

    async def events(self) -> AsyncGenerator[TacticEvent, None]:
        """Run the agent and yield what happens; the usage and then the output come last."""
        async with (
            self._begun("run_stream_events") as (arguments, meter),
            aclosing(self._native(arguments)) as native,
        ):
            async for event in native:
                if getattr(event, "event_kind", None) != "agent_run_result":
                    yield to_event(event)
                    continue
                yield TacticEvent(kind="usage", data=meter.finish(event.result))
                yield TacticEvent.result(self._event_output(event.result))

    async def chunks(self) -> AsyncGenerator[Any, None]:
        """Run the agent and yield what the stream mode asks for.

        Text is yielded as it comes. Partial outputs are yielded as they become valid, and the output is the last.
        """
        mode = self._config.stream_mode
        if mode == "response" or (mode == "output" and not self._speaks_text()):
            source = self._step_by_step()
        else:
            source = self._as_it_comes()
        async with aclosing(source) as chunks:
            async for chunk in chunks:
                yield chunk

    def _speaks_text(self) -> bool:
        wanted = {**self._config.run_kwargs, **self._kwargs}.get("output_type") or self._agent.output_type
        return wanted is str and self._config.output_mapper is None

    async def _as_it_comes(self) -> AsyncGenerator[Any, None]:
        raw = self._config.stream_mode == "raw"
        async with (
            self._begun("run_stream_events") as (arguments, meter),
            aclosing(self._native(arguments)) as native,
        ):
            async for event in native:
                if getattr(event, "event_kind", None) == "agent_run_result":
                    meter.finish(event.result)
                    self._validate(tactic_output(event.result, self._config))
                if raw:
                    yield event
                elif text := text_of(event):
                    yield text

    async def _step_by_step(self) -> AsyncGenerator[Any, None]:
        pieces = responses if self._config.stream_mode == "response" else partial_outputs
        agent: Any = self._agent
        last: Any = agent
        async with self._begun("iter") as (arguments, meter):
            async with agent.iter(self._prompt, **arguments) as run:
                node: Any = run.next_node
                while run.result is None:
                    if agent.is_model_request_node(node):
                        async with node.stream(run.ctx) as stream:
                            async for last in pieces(stream):
                                yield last
                    node = await run.next(node)
            meter.finish(run.result)
        if self._config.stream_mode == "output":
            output = self._validate(tactic_output(run.result, self._config))
            if output != last:
                yield output

    def _event_output(self, result: Any) -> Any:
        """Return the output for an event: never the library's result, which holds every message of the run."""
        return tactic_output(result, self._config) if self._config.output_mapper else plain_output(result)

    async def _native(self, arguments: dict[str, Any]) -> AsyncGenerator[Any, None]:
        async with self._agent.run_stream_events(self._prompt, **arguments) as events:
            async for event in events:
                yield event

    def _begun(self, method: str) -> RunFrame:
        return RunFrame(self._agent, method, self._config, self._name, self._context, self._kwargs)

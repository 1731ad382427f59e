"""What surrounds one run of an agent: its arguments, its usage, the caller's patience, typed errors."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

from pydantic_ai.agent import AbstractAgent

from lllm.context import CallContext
from lllm_runtime_pydantic_ai.agent_facts import accepted_by
from lllm_runtime_pydantic_ai.config import PydanticAITacticConfig
from lllm_runtime_pydantic_ai.connections import keep_connections_apart
from lllm_runtime_pydantic_ai.deps import resolve_deps
from lllm_runtime_pydantic_ai.durability import left_to_engine
from lllm_runtime_pydantic_ai.failures import tactic_error
from lllm_runtime_pydantic_ai.run_arguments import add_identity, given_arguments, keep_handler
from lllm_runtime_pydantic_ai.stopping import CallerWatch
from lllm_runtime_pydantic_ai.usage import RunMeter

__all__ = ["RunFrame"]


class RunFrame:
    """An asynchronous context manager around one run; it yields the arguments of the run and its meter.

    Whoever gets a result hands it to the meter. What the run raises is recorded, and raised as a tactic error.
    It is written out, and not put together from smaller context managers, because every call pays for it.

    Args:
        agent: The agent.
        method: Name of the method that runs it.
        config: The settings of the tactic.
        name: Name that usage and errors are told under.
        context: The context of the call.
        kwargs: Keyword arguments of the call.
    """

    def __init__(
        self,
        agent: AbstractAgent[Any, Any],
        method: str,
        config: PydanticAITacticConfig,
        name: str,
        context: CallContext,
        kwargs: Mapping[str, Any],
    ) -> None:
        self._agent = agent
        left_out = left_to_engine(agent)
        self._kept = bool(left_out)
        self._accepted = accepted_by(agent, method).without(left_out)
        self._config = config
        self._name = name
        self._context = context
        self._kwargs = kwargs
        self._deps: AsyncExitStack | None = None

    async def __aenter__(self) -> tuple[dict[str, Any], RunMeter]:
        arguments = given_arguments(
            self._config, self._kwargs, self._context, self._accepted, metadata=self._config.metadata
        )
        if "deps" in arguments:
            self._deps = AsyncExitStack()
            arguments["deps"] = await resolve_deps(arguments["deps"], self._context, self._deps)
        add_identity(arguments, self._accepted)
        keep_handler(arguments, self._accepted)
        keep_connections_apart(arguments.get("model") or self._agent.model)
        self._meter = RunMeter(self._name, arguments)
        self._watch = CallerWatch(self._context, arguments, self._accepted, kept=self._kept)
        await self._watch.begin()
        return arguments, self._meter

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = await self._watch.end(error)
        self._meter.leave(ended)
        if self._deps is not None:
            await self._deps.__aexit__(kind, error, trace)
        if isinstance(ended, Exception):
            translated = tactic_error(ended, self._name, self._context)
            if translated is not None:
                raise translated from ended
        if ended is not None and ended is not error:
            raise ended

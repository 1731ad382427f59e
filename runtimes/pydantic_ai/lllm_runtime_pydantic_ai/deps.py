"""Dependencies of an agent's tools, made for each call, and the context of the call among them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from lllm.context import CallContext

__all__ = ["ContextDeps", "resolve_deps", "with_context"]

DepsT = TypeVar("DepsT")


@dataclass(frozen=True, slots=True)
class ContextDeps(Generic[DepsT]):
    """Dependencies together with the context of the call that the agent runs for.

    Attributes:
        context: Ids, caller, tags, metadata and deadline of the call.
        deps: The agent's own dependencies, None when it has no others.
    """

    context: CallContext
    deps: DepsT


def with_context(deps: Any = None) -> Callable[[CallContext], AsyncIterator[ContextDeps[Any]]]:
    """Return a factory of dependencies that tools read the call's context from.

    Args:
        deps: The agent's own dependencies, or a factory of them.

    Returns:
        A factory of `ContextDeps`, for the argument `deps` of `PydanticAITactic`.

    Example:
        ```python
        agent = Agent(model, deps_type=ContextDeps[Database])


        @agent.tool
        def caller(ctx: RunContext[ContextDeps[Database]]) -> str:
            return ctx.deps.deps.name_of(ctx.deps.context.caller)


        tactic = PydanticAITactic(agent, deps=with_context(database))
        ```
    """

    async def make(context: CallContext) -> AsyncIterator[ContextDeps[Any]]:
        async with AsyncExitStack() as stack:
            yield ContextDeps(context, await resolve_deps(deps, context, stack))

    return make


async def resolve_deps(deps: Any, context: CallContext, stack: AsyncExitStack) -> Any:
    """Return the dependencies of one run.

    A function, method, partial or class is a factory and is called with the context; a coroutine function is
    awaited. A generator function yields them and goes on when the run is over. Anything else is the dependencies.

    Args:
        deps: The dependencies, or their factory.
        context: The context of the call.
        stack: Closes what a generator function opened.
    """
    function = deps.func if isinstance(deps, partial) else deps
    if not (inspect.isroutine(function) or isinstance(function, type)):
        return deps
    if inspect.isasyncgenfunction(function):
        return await stack.enter_async_context(asynccontextmanager(deps)(context))
    if inspect.isgeneratorfunction(function):
        return stack.enter_context(contextmanager(deps)(context))
    made = deps(context)
    return await made if inspect.isawaitable(made) else made

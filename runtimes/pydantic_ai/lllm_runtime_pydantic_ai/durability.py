"""Agents whose runs a durable execution engine keeps.

Such a run is to end where its engine has recorded it, so that a repeat of it ends there too. The library therefore
refuses a token that cancels it from outside, and a watch of ours would do the same behind the engine's back. Inside
of a workflow the engine also says which conversation it is, the same for each repeat.
"""

from __future__ import annotations

from typing import Any

from pydantic_ai.agent import AbstractAgent, WrapperAgent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.durable_exec import BaseDurabilityCapability

__all__ = ["left_to_engine"]

_WRAPPERS = "pydantic_ai.durable_exec."
_BY_WRAPPER = frozenset({"cancellation_token", "timeout"})
_BY_CAPABILITY = frozenset({"cancellation_token", "conversation_id"})
_BY_NOBODY: frozenset[str] = frozenset()


def left_to_engine(agent: AbstractAgent[Any, Any]) -> frozenset[str]:
    """Return the arguments that are not to be added to a run that begins now; none when no engine keeps it.

    An agent inside an engine's wrapper always runs durably, one with an engine's capability inside of a workflow.

    Args:
        agent: The agent.
    """
    while isinstance(agent, WrapperAgent):
        if any(cls.__module__.startswith(_WRAPPERS) for cls in type(agent).__mro__):
            return _BY_WRAPPER
        agent = agent.wrapped
    keeping: list[AbstractCapability[Any]] = []
    agent.root_capability.apply(keeping.append)
    durable = (item for item in keeping if isinstance(item, BaseDurabilityCapability))
    return _BY_CAPABILITY if any(item.in_durable_context for item in durable) else _BY_NOBODY

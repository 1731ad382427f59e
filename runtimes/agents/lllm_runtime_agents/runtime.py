"""The runtime `agents`: it gives every call of an agent-group tactic fresh agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lllm.hookspecs import Runtime
from lllm_runtime_agents.agent import Agent, _TrackedAgent
from lllm_runtime_agents.agent_config import parse_agent_configs
from lllm_runtime_agents.deep_merge import copied
from lllm_runtime_agents.group_stream import GroupStream
from lllm_runtime_agents.invokers import build_invoker
from lllm_runtime_agents.limits import check_limits
from lllm_runtime_agents.single_agent import quick

if TYPE_CHECKING:
    from lllm.calls import Call
    from lllm.tactic import Tactic

__all__ = ["AgentsRuntime"]


class AgentsRuntime(Runtime):
    """Reads the config of agent-group tactics and binds their calls to agents."""

    def attach(self, tactic: Tactic[Any, Any], config: Mapping[str, Any] | None) -> None:
        """Check the config and keep an agent of each name as the pattern for the calls.

        The config is copied, and no provider library is loaded.

        Args:
            tactic: The tactic that was constructed.
            config: Its config.

        Raises:
            TypeError: The config is no mapping, or an entry of `agent_configs` is none.
            ValueError: An agent of the group is missing, or its entry is malformed.
            KeyError: The invoker, a prompt, a tool or a skill does not exist.
        """
        if config is not None and not isinstance(config, Mapping):
            raise TypeError(f"config must be a mapping, got {type(config).__name__}.")
        own: dict[str, Any] = copied(config or {})
        group = tactic.agent_group or []
        specs = parse_agent_configs(own, group, tactic.tactic_name)
        invoker = build_invoker(own)
        agents = {name: spec.build(tactic.runtime, invoker) for name, spec in specs.items()}
        limit = check_limits(f"Tactic '{tactic.tactic_name}'", own).get("max_cost_usd")
        if tactic._traits.call:
            tactic.declared_capabilities = frozenset({"stream", "events"})
        tactic.__dict__.update(
            config=own, llm_invoker=invoker, agents={}, _max_cost_usd=limit, _agent_patterns=agents
        )

    def bind(self, tactic: Tactic[Any, Any], call: Call) -> Tactic[Any, Any]:
        """Return a shallow copy of the tactic with fresh agents; what `call` sets on it vanishes with it.

        Args:
            tactic: The tactic that was called.
            call: The call that begins.
        """
        bound: Tactic[Any, Any] = object.__new__(type(tactic))
        attributes = bound.__dict__
        attributes.update(tactic.__dict__)
        patterns: dict[str, Agent] = attributes["_agent_patterns"]
        attributes["agents"] = {name: _TrackedAgent.of_call(agent, call) for name, agent in patterns.items()}
        return bound

    def streaming(self, bound: Tactic[Any, Any], call: Call) -> Tactic[Any, Any]:
        """Return what streams a call: what its agents write, then its output.

        Args:
            bound: The copy of the tactic with fresh agents.
            call: The call that begins.
        """
        return GroupStream.of_call(bound, call)

    def quick(self, *args: Any, **kwargs: Any) -> Any:
        """Make a single agent, and ask it at once when a query is given; see `lllm_runtime_agents.quick`."""
        return quick(*args, **kwargs)

"""`quick`: one agent without a tactic."""

from __future__ import annotations

from typing import Any

from lllm_runtime_agents.agent import Agent
from lllm_runtime_agents.invokers import build_invoker
from lllm_runtime_agents.prompt import Prompt, inline_prompt

__all__ = ["quick"]

_ALIAS = "quick"


def quick(
    query: str | None = None,
    system_prompt: str | Prompt = "You are a helpful assistant.",
    model: Any = "gpt-4o",
    return_agent: bool = False,
    **model_args: Any,
) -> Any:
    """Make a single agent, and ask it at once when a query is given.

    Args:
        query: What to ask, or None to get the agent, with a dialog open.
        system_prompt: Its system prompt.
        model: Name of the model.
        return_agent: Whether the agent is returned beside the message.
        **model_args: Temperature and the like.

    Returns:
        The agent without a query; the reply with one; both with `return_agent`.
    """
    prompt = (
        inline_prompt(system_prompt, "quick/system_prompt")
        if isinstance(system_prompt, str)
        else system_prompt
    )
    agent = Agent(
        name="assistant",
        system_prompt=prompt,
        model=model,
        llm_invoker=build_invoker(),
        model_args=model_args,
    )
    agent.open(_ALIAS)
    if query is None:
        return agent
    agent.receive(query)
    message = agent.respond()
    return (message, agent) if return_agent else message

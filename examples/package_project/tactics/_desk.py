"""What the tactics of this package share."""

from typing import Any

from lllm import Tactic


class Desk(Tactic[Any, Any], register=False):
    """Agents that answer one message each."""

    def ask(self, name: str, text: str, **prompt_args: Any) -> str:
        agent = self.agents[name]
        agent.open("desk", prompt_args=prompt_args)
        agent.receive(text)
        return agent.respond().content

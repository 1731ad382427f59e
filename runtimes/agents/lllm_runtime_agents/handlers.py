"""Handlers: what a model is told after a bad reply, after tools ran, and when no more tools are allowed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from lllm.session import AgentCallSession
    from lllm_runtime_agents.prompt import Prompt

__all__ = ["BaseHandler", "DefaultSimpleHandler"]


class BaseHandler(ABC):
    """Derives the prompts with which the call loop goes on."""

    @abstractmethod
    def on_exception(self, prompt: Prompt, session: AgentCallSession) -> Prompt:
        """Return the prompt that asks for a repair; it may use `{error_message}`.

        Args:
            prompt: The active prompt.
            session: The agent call so far.
        """

    @abstractmethod
    def on_interrupt(self, prompt: Prompt, session: AgentCallSession) -> Prompt:
        """Return the prompt that carries a tool's result; it may use `{call_results}`.

        Args:
            prompt: The active prompt.
            session: The agent call so far.
        """

    @abstractmethod
    def on_interrupt_final(self, prompt: Prompt, session: AgentCallSession) -> Prompt:
        """Return the prompt after which no tools are offered.

        Args:
            prompt: The active prompt.
            session: The agent call so far.
        """


class DefaultSimpleHandler(BaseModel, BaseHandler):
    """Three fixed texts; the derived prompts inherit everything else from the active one.

    Attributes:
        exception_msg: Asks for a repair.
        interrupt_msg: Carries a tool's result.
        interrupt_final_msg: Announces that no tools are left.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid")

    exception_msg: str = "Error: {error_message}. Please fix."
    interrupt_msg: str = "{call_results}"
    interrupt_final_msg: str = "You are reaching the limit of tool calls. Provide the final response."

    def on_exception(self, prompt: Prompt, session: AgentCallSession) -> Prompt:
        """Return the prompt that asks for a repair."""
        return prompt.derive("exception", self.exception_msg)

    def on_interrupt(self, prompt: Prompt, session: AgentCallSession) -> Prompt:
        """Return the prompt that carries a tool's result."""
        return prompt.derive("interrupt", self.interrupt_msg)

    def on_interrupt_final(self, prompt: Prompt, session: AgentCallSession) -> Prompt:
        """Return the prompt after which no tools are offered."""
        return prompt.derive(
            "interrupt_final", self.interrupt_final_msg, function_list=[], mcp_servers_list=[]
        )

"""Every exception that this runtime raises by itself; each has the library's own as its cause.

```
TacticError
├ BudgetExceeded      (the core's: a usage limit was reached)
├ DeadlineExceeded    (the core's: the caller's deadline passed)
└ AgentError
  ├ AgentTimeout (also TimeoutError)
  ├ AgentCancelled
  ├ AgentRefused
  ├ RetriesExhausted
  ├ UnusableReply
  ├ ToolError
  └ ModelError
    ├ ModelRateLimited
    └ ModelOverloaded
```
"""

from __future__ import annotations

from lllm.errors import TacticError

__all__ = [
    "AgentCancelled",
    "AgentError",
    "AgentRefused",
    "AgentTimeout",
    "ModelError",
    "ModelOverloaded",
    "ModelRateLimited",
    "RetriesExhausted",
    "ToolError",
    "UnusableReply",
]


class AgentError(TacticError):
    """Base of what goes wrong in the run of an agent.

    Args:
        message: What happened.
        agent: Name of the agent.
        retry_after: Seconds after which a new try may succeed, when somebody said so.
    """

    def __init__(self, message: str, *, agent: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.agent = agent
        self.retry_after = retry_after


class AgentTimeout(AgentError, TimeoutError):
    """The run, or a request to its model, took longer than its own time limit."""


class AgentCancelled(AgentError):
    """The run was cancelled: by its cancellation token, by a tool, or because the caller has gone."""


class AgentRefused(AgentError):
    """The provider's content filter, or the model itself, refused to answer."""


class RetriesExhausted(AgentError):
    """The model's replies or tool calls stayed invalid after every retry that was allowed."""


class UnusableReply(AgentError):
    """The model's reply could not be used, and asking again would not help."""


class ToolError(AgentError):
    """A tool of the agent raised an exception, which is the cause.

    Args:
        message: What happened.
        tool: Name of the tool.
        agent: Name of the agent.
        retry_after: Seconds after which a new try may succeed, when the tool's exception said so.
    """

    def __init__(
        self,
        message: str,
        *,
        tool: str | None = None,
        agent: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, agent=agent, retry_after=retry_after)
        self.tool = tool


class ModelError(AgentError):
    """A request to the model failed.

    Args:
        message: What happened.
        model: Name of the model.
        status_code: HTTP status of the provider's answer, None when there was none.
        agent: Name of the agent.
        retry_after: Seconds that the provider asked to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str | None = None,
        status_code: int | None = None,
        agent: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, agent=agent, retry_after=retry_after)
        self.model = model
        self.status_code = status_code


class ModelRateLimited(ModelError):
    """The provider refused the request because a rate limit was reached."""


class ModelOverloaded(ModelError):
    """The provider is overloaded or out of service for the moment."""

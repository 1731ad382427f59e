"""From the library's exceptions to typed tactic errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic_ai import exceptions

from lllm.context import CallContext
from lllm.errors import BudgetExceeded, DeadlineExceeded, TacticError
from lllm.secrets import mask_secrets
from lllm_runtime_pydantic_ai.errors import (
    AgentCancelled,
    AgentError,
    AgentRefused,
    AgentTimeout,
    ModelError,
    ModelOverloaded,
    ModelRateLimited,
    RetriesExhausted,
    ToolError,
    UnusableReply,
)
from lllm_runtime_pydantic_ai.origins import failing_model, failing_tool
from lllm_runtime_pydantic_ai.retry_after import retry_after_of

__all__ = ["tactic_error"]

_EXHAUSTED = re.compile(r"exceeded max\w* .*retries", re.IGNORECASE)
_OVERLOADED = {503, 529}

# Categories that younger releases of the library tell apart; an older one says less and has the status alone.
_RATE_LIMITED = getattr(exceptions, "ModelRateLimitError", ())
_OUT_OF_QUOTA = getattr(exceptions, "ModelQuotaExceededError", ())
_UNAVAILABLE = getattr(exceptions, "ModelUnavailableError", ())
_TIMED_OUT = tuple(
    getattr(exceptions, name)
    for name in ("ModelTimeoutError", "ModelRequestTimeout")
    if hasattr(exceptions, name)
)
_RUN_TIMED_OUT = getattr(exceptions, "RunTimedOut", ())
_MISUSE = (exceptions.UserError, NotImplementedError)


def tactic_error(error: Exception, agent: str, context: CallContext) -> TacticError | None:
    """Return the tactic error that stands for what a run raised, or None when that is to be left alone.

    What a tool raised, or a model that could not read its provider's answer, is known by the traceback: the library
    lets it pass as it is. What comes from elsewhere, from a model made of a Python function or a misused argument,
    is left alone, and so is what is translated already.

    Args:
        error: What the run raised.
        agent: Name of the agent.
        context: The context of the call, whose deadline may have been what stopped the run.
    """
    if isinstance(error, (BudgetExceeded, DeadlineExceeded, AgentError)):
        return None
    return _translated(error, agent, context)


def _translated(error: Exception, agent: str, context: CallContext) -> TacticError | None:
    for kind, translate in _TRANSLATIONS:
        if isinstance(error, kind):
            return translate(error, agent, context)
    said = f"{type(error).__name__}: {_text(error)}"
    tool = failing_tool(error)
    if tool is not None:
        text = f"Tool `{tool}` of agent `{agent}` failed: {said}"
        return ToolError(text, tool=tool, agent=agent, retry_after=getattr(error, "retry_after", None))
    model = None if isinstance(error, _MISUSE) else failing_model(error)
    if model is not None:
        return ModelError(f"Model `{model}` of agent `{agent}` failed: {said}", model=model, agent=agent)
    return None


def _text(error: BaseException) -> str:
    return mask_secrets(str(error)) or type(error).__name__


def _of_fallbacks(error: Any, agent: str, context: CallContext) -> TacticError:
    """Return what the last model failed with, told as the failure of all of them."""
    last = error.exceptions[-1]
    found = _translated(last, agent, context) if isinstance(last, Exception) else None
    return AgentError(_text(error), agent=agent) if found is None else found


def _of_budget(error: Any, agent: str, context: CallContext) -> TacticError:
    return BudgetExceeded(_text(error))


def _of_cancellation(error: Any, agent: str, context: CallContext) -> TacticError:
    remaining = context.remaining
    if remaining is not None and remaining <= 0:
        return DeadlineExceeded("The deadline of the call has passed.")
    if isinstance(error, _RUN_TIMED_OUT):
        return AgentTimeout(f"Agent `{agent}` did not finish in time: {_text(error)}", agent=agent)
    return AgentCancelled(f"The run of agent `{agent}` was cancelled.", agent=agent)


def _of_model(error: Any, agent: str, context: CallContext) -> TacticError:
    status: int | None = getattr(error, "status_code", None)
    after = retry_after_of(error)
    if isinstance(error, _TIMED_OUT) or "Timeout" in type(error.__cause__).__name__:
        return AgentTimeout(_text(error), agent=agent, retry_after=after)
    kind = ModelError
    if isinstance(error, _OUT_OF_QUOTA):
        pass  # the provider answers with 429 too, but to wait does not help
    elif isinstance(error, _RATE_LIMITED) or status == 429:
        kind = ModelRateLimited
    elif isinstance(error, _UNAVAILABLE) or status in _OVERLOADED:
        kind = ModelOverloaded
    return kind(_text(error), model=error.model_name, status_code=status, agent=agent, retry_after=after)


def _of_reply(error: Any, agent: str, context: CallContext) -> TacticError:
    kind: type[AgentError] = UnusableReply
    if isinstance(error, exceptions.ContentFilterError):
        kind = AgentRefused
    elif _EXHAUSTED.search(str(error)):
        kind = RetriesExhausted
    return kind(_text(error), agent=agent)


def _of_run(error: Any, agent: str, context: CallContext) -> TacticError:
    return AgentError(_text(error), agent=agent)


# From the special to the general: the first that fits decides.
_TRANSLATIONS: tuple[tuple[type[Exception], Callable[[Any, str, CallContext], TacticError]], ...] = (
    (exceptions.FallbackExceptionGroup, _of_fallbacks),
    (exceptions.UsageLimitExceeded, _of_budget),
    (exceptions.RunCancelled, _of_cancellation),
    (exceptions.ModelAPIError, _of_model),
    (exceptions.UnexpectedModelBehavior, _of_reply),
    (exceptions.AgentRunError, _of_run),
)

"""What a run used and cost, for the session of the call and for the budget of the run around it."""

from __future__ import annotations

from contextvars import ContextVar
from copy import copy
from threading import Lock
from typing import Any

from pydantic_ai.usage import RunUsage, UsageLimits

from lllm.assembly import assembled
from lllm.session import AgentCallSession, InvokeCost, InvokeTrace, current_session

__all__ = ["RunMeter"]

_running: ContextVar[RunMeter | None] = ContextVar("lllm_pydantic_ai_meter", default=None)
_adding = Lock()
_NOTHING = {name: field.default for name, field in InvokeCost.model_fields.items()}


class RunMeter:
    """Counts one run.

    The library adds up what a run uses in an object that it is handed. Each run gets one of its own, so that a
    failed run is counted too and concurrent runs are told apart. What a run inside a tool used is added to the run
    around it when it is over, so the limits of the outer run hold for everything below it: an inner run without
    limits of its own begins where the outer one stands, under the outer one's limits. What is started between the
    construction and `leave`, in this task or thread, is below this run.

    Args:
        source: Name that the usage is recorded under.
        arguments: Keyword arguments of the run; `usage` and `usage_limits` are read, and set to what the run gets.

    Attributes:
        usage: What the library counts in.
        limits: The limits of the run, or None.
        finished: Whether the run has been recorded.
    """

    def __init__(self, source: str, arguments: dict[str, Any]) -> None:
        self._source = source
        self._around: RunMeter | None = _running.get()
        self._given: RunUsage | None = arguments.get("usage")
        begin = self._given
        around = self._around
        if around is not None and around.limits is not None and arguments.get("usage_limits") is None:
            arguments["usage_limits"] = around.limits
            begin = begin or around.usage
        self.limits: UsageLimits | None = arguments.get("usage_limits")
        self.usage: RunUsage = RunUsage() if begin is None else copy(begin)
        self._begin = None if begin is None else copy(begin)
        self._below: RunUsage | None = None
        self.finished = False
        arguments["usage"] = self.usage
        self._token = _running.set(self)

    def leave(self, error: BaseException | None) -> None:
        """Count no longer; a run that failed is recorded.

        Args:
            error: What the run raised, or None.
        """
        _running.reset(self._token)
        if error is not None and not self.finished:
            self.finish(error=error)

    def finish(self, result: Any = None, error: BaseException | None = None) -> dict[str, Any]:
        """Record the run in the session of the call, and add it to the run around it.

        Args:
            result: The result of the run, when it has one.
            error: What the run failed with, when it did.

        Returns:
            Model, number of model and tool calls, tokens and dollars of the run, without those of runs below it;
            dollars are None when nothing is known about them.
        """
        self.finished = True
        used = self.usage if self._begin is None else self.usage - self._begin
        self._hand_on(used)
        own = used if self._below is None else used - self._below
        trace = _trace_of(own, result)
        session = current_session()
        if session is not None:
            recorded = AgentCallSession.begun(self._source, 0, 0, 0)
            recorded.new_invoke_trace(trace, 0)
            recorded.success(None) if error is None else recorded.failure(error)
            session.record_agent_call(self._source, recorded)
        cost = trace.cost
        return {
            "model": trace.model,
            "calls": trace.calls,
            "tool_calls": own.tool_calls,
            "prompt_tokens": cost.prompt_tokens,
            "completion_tokens": cost.completion_tokens,
            "total_tokens": cost.total_tokens,
            "cost": None if own.cost is None else cost.cost,
        }

    def _hand_on(self, used: RunUsage) -> None:
        around = self._around
        if around is not None:
            with _adding:
                around.usage.incr(used)
                around._below = copy(used) if around._below is None else around._below + used
        if self._given is not None and (around is None or self._given is not around.usage):
            with _adding:
                self._given.incr(used)


def _trace_of(used: RunUsage, result: Any) -> InvokeTrace:
    responses = [item for item in _new_messages(result) if getattr(item, "kind", None) == "response"]
    unpriced = used.requests
    if used.cost is not None:
        unpriced = min(unpriced, sum(getattr(item.usage, "cost", None) is None for item in responses))
    return InvokeTrace(
        model=responses[-1].model_name if responses else None,
        cost=_cost_of(used),
        calls=used.requests,
        unpriced=unpriced,
        metadata={"tool_calls": used.tool_calls} if used.tool_calls else {},
    )


def _new_messages(result: Any) -> list[Any]:
    messages: list[Any] = result.new_messages() if hasattr(result, "new_messages") else []
    return messages


def _cost_of(used: RunUsage) -> InvokeCost:
    """Return what a run used; its counts are known to be numbers, so nothing is read twice."""
    reasoning = getattr(used, "output_reasoning_tokens", 0) or used.details.get("reasoning_tokens", 0)
    counted = {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.total_tokens,
        "cached_prompt_tokens": used.cache_read_tokens,
        "reasoning_tokens": reasoning,
        "audio_prompt_tokens": used.input_audio_tokens,
        "audio_completion_tokens": used.output_audio_tokens,
        "cost": 0.0 if used.cost is None else float(used.cost),
    }
    return assembled(InvokeCost, {**_NOTHING, **counted})

"""What a run used and cost, for the session of the call and for the budget of the run around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from threading import Lock
from typing import Any

from pydantic_ai.usage import RunUsage, UsageLimits

from lllm.session import AgentCallSession, InvokeCost, InvokeTrace, current_session

__all__ = ["RunMeter", "metered"]

_running: ContextVar[RunMeter | None] = ContextVar("lllm_pydantic_ai_meter", default=None)
_adding = Lock()


class RunMeter:
    """Counts one run.

    The library adds up what a run uses in an object that it is handed. Each run gets one of its own, so that a
    failed run is counted too and concurrent runs are told apart. What a run inside a tool used is added to the run
    around it when it is over, so the limits of the outer run hold for everything below it: an inner run without
    limits of its own begins where the outer one stands, under the outer one's limits.

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
        around = self._around
        self._given: RunUsage | None = arguments.get("usage")
        begin = self._given
        if around is not None and around.limits is not None and arguments.get("usage_limits") is None:
            arguments["usage_limits"] = around.limits
            begin = begin or around.usage
        self.limits: UsageLimits | None = arguments.get("usage_limits")
        self.usage: RunUsage = RunUsage() if begin is None else copy(begin)
        self._begin = copy(self.usage)
        self._below = RunUsage()
        self.finished = False
        arguments["usage"] = self.usage

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
        used = self.usage - self._begin
        self._hand_on(used)
        own = used - self._below
        trace = _trace_of(own, result)
        session = current_session()
        if session is not None:
            recorded = AgentCallSession(agent_name=self._source, invoke_traces={0: [trace]})
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
        with _adding:
            if around is not None:
                around.usage.incr(used)
                around._below.incr(used)
            if self._given is not None and (around is None or self._given is not around.usage):
                self._given.incr(used)


@contextmanager
def metered(source: str, arguments: dict[str, Any]) -> Iterator[RunMeter]:
    """Count a run, and what its tools start as below it; a failure is recorded before it is raised on.

    Args:
        source: Name that the usage is recorded under.
        arguments: Keyword arguments of the run; see `RunMeter`.

    Yields:
        The meter; whoever gets a result calls `finish`.
    """
    meter = RunMeter(source, arguments)
    token = _running.set(meter)
    try:
        yield meter
    except BaseException as error:
        if not meter.finished:
            meter.finish(error=error)
        raise
    finally:
        _running.reset(token)


def _trace_of(used: RunUsage, result: Any) -> InvokeTrace:
    responses = [item for item in _new_messages(result) if getattr(item, "kind", None) == "response"]
    priced = used.cost is not None
    unpriced = sum(getattr(item.usage, "cost", None) is None for item in responses)
    return InvokeTrace(
        model=responses[-1].model_name if responses else None,
        cost=InvokeCost.from_usage(_usage_map(used)),
        calls=used.requests,
        unpriced=min(unpriced, used.requests) if priced else used.requests,
        metadata={"tool_calls": used.tool_calls} if used.tool_calls else {},
    )


def _new_messages(result: Any) -> list[Any]:
    messages: list[Any] = result.new_messages() if hasattr(result, "new_messages") else []
    return messages


def _usage_map(used: RunUsage) -> Mapping[str, Any]:
    """Return a run's usage in the keys that `InvokeCost.from_usage` reads."""
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": used.cache_read_tokens,
            "audio_tokens": used.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": getattr(used, "output_reasoning_tokens", 0)
            or used.details.get("reasoning_tokens", 0),
            "audio_tokens": used.output_audio_tokens,
        },
        "response_cost": None if used.cost is None else float(used.cost),
    }

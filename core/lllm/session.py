"""Sessions: what a call did, which calls it made below, and what the models cost.

The tree belongs to the core so that every runtime folds into one bill: agent groups, Pydantic AI agents, plain
functions and services on other machines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from lllm.agent_session import AgentCallSession, InvokeTrace
from lllm.assembly import assembled
from lllm.calls import active_call
from lllm.cost import InvokeCost, is_priced, number_in, total_cost
from lllm.error_text import traceback_text, typed_error_text

if TYPE_CHECKING:
    from lllm.calls import Call

__all__ = [
    "AgentCallSession",
    "InvokeCost",
    "InvokeTrace",
    "TacticCallSession",
    "current_session",
    "is_priced",
    "record_usage",
]

_LAZY = ConfigDict(defer_build=True)

# One lock for all sessions: it is held for an append or for reading a list, and sessions stay copyable without it.
_lock = Lock()


def _new_id() -> str:
    return os.urandom(16).hex()


def _renew_lock() -> None:
    """In a forked child nobody releases what another thread of the parent held."""
    global _lock  # noqa: PLW0603
    _lock = Lock()


os.register_at_fork(after_in_child=_renew_lock)


TacticState = Literal["initial", "running", "success", "failure"]


class TacticCallSession(BaseModel):
    """One call of a tactic, with the agent calls it made itself and the sessions of the tactics below it.

    Attributes:
        tactic_name: Name of the tactic.
        tactic_path: `package::name` of a packaged tactic, or the bare name.
        state: Where the call stands.
        agent_sessions: Name of an agent (or another user of models) to its calls.
        sub_tactic_sessions: Attribute or tactic name to the sessions of child calls.
        delivery: The result.
        error: Why the call failed, as `Type: message`.
        error_traceback: The formatted traceback of a failure.
        session_id: Unique id.
        session_name: Name given by the caller.
        parent_id: `session_id` of the call around this one.
        task: The input.
        tags: Short labels for look-up.
        metadata: What the caller adds.
        started_at: Unix time in seconds.
        ended_at: Unix time in seconds, None while running.
        duration_ms: Milliseconds on a monotonic clock, None while running.
    """

    model_config = _LAZY

    tactic_name: str
    tactic_path: str | None = None
    state: TacticState = "initial"
    agent_sessions: dict[str, list[AgentCallSession]] = Field(default_factory=dict)
    sub_tactic_sessions: dict[str, list[TacticCallSession]] = Field(default_factory=dict)
    delivery: Any = None
    error: str | None = None
    error_traceback: str | None = None
    session_id: str = Field(default_factory=_new_id)
    session_name: str | None = None
    parent_id: str | None = None
    task: Any = None
    tags: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)
    started_at: float | None = None
    ended_at: float | None = None
    duration_ms: float | None = None

    @classmethod
    def of_call(cls, call: Call) -> Self:
        """Make the session of a call, whatever state the call is in.

        Args:
            call: The node of the call tree.
        """
        parent = call.parent
        fields = {
            "tactic_name": call.tactic_name,
            "tactic_path": getattr(call.tactic, "tactic_path", None),
            "state": "running",
            "agent_sessions": {},
            "sub_tactic_sessions": {},
            "delivery": None,
            "error": None,
            "error_traceback": None,
            "session_id": _new_id(),
            "session_name": None,
            "parent_id": None if parent is None else parent.session.session_id,
            "task": call.task,
            "tags": {},
            "metadata": {},
            "started_at": call.started_at,
            "ended_at": None,
            "duration_ms": None,
        }
        session = assembled(cls, fields)
        if call.state == "success":
            session.success(call.output, duration_ms=call.duration_ms)
        elif call.state == "failure":
            session.failure(call.error, duration_ms=call.duration_ms)
        return session

    @property
    def agent_cost(self) -> InvokeCost:
        """Tokens and dollars of this call's own agents."""
        return total_cost(agent.cost for agent in self._own_agents())

    @property
    def sub_tactic_cost(self) -> InvokeCost:
        """Tokens and dollars of everything below this call's own agents."""
        return total_cost(cost for child in self._children() for cost in child._costs())

    @property
    def total_cost(self) -> InvokeCost:
        """Tokens and dollars of this call and all its descendants."""
        return total_cost(self._costs())

    @property
    def agent_call_count(self) -> int:
        """Agent calls made by this call itself, failed ones included."""
        return len(self._own_agents())

    @property
    def total_agent_call_count(self) -> int:
        """Agent calls of this call and all its descendants."""
        return self.agent_call_count + sum(child.total_agent_call_count for child in self._children())

    @property
    def llm_call_count(self) -> int:
        """Model invocations of this call and all its descendants, retries included."""
        return self._sum_traces(lambda trace: trace.calls)

    @property
    def unpriced_calls(self) -> int:
        """Model invocations without a known price, of this call and all its descendants."""
        return self._sum_traces(lambda trace: trace.unpriced)

    @property
    def sub_tactic_call_count(self) -> int:
        """Child sessions directly below this call."""
        return len(self._children())

    def record_agent_call(self, name: str, session: AgentCallSession) -> None:
        """Add an agent call.

        Args:
            name: Name of the agent, or of whatever used a model.
            session: What it did.
        """
        with _lock:
            self.agent_sessions.setdefault(name, []).append(session)

    def record_sub_tactic_call(self, name: str, session: TacticCallSession) -> None:
        """Add the session of a child call.

        Args:
            name: The attribute under which the tactic was reached, or its name.
            session: The child's session, running or ended.
        """
        with _lock:
            self.sub_tactic_sessions.setdefault(name, []).append(session)

    def success(self, result: Any, *, duration_ms: float | None = None) -> None:
        """End with a result.

        Args:
            result: The output.
            duration_ms: Milliseconds the call took.
        """
        with _lock:
            self.__dict__.update(state="success", delivery=result, ended_at=time(), duration_ms=duration_ms)

    def failure(self, error: BaseException | str | None = None, *, duration_ms: float | None = None) -> None:
        """End without a result.

        Args:
            error: The exception, or its text.
            duration_ms: Milliseconds the call took.
        """
        with _lock:
            self.state = "failure"
            self.ended_at = time()
            self.duration_ms = duration_ms
            if error is not None:
                self.error = typed_error_text(error)
            if isinstance(error, BaseException):
                self.error_traceback = traceback_text(error)

    def summary(self) -> dict[str, Any]:
        """Return a compact overview for logs and tables."""
        total = self.total_cost
        return {
            "tactic": self.tactic_name,
            "state": self.state,
            "agent_calls": self.agent_call_count,
            "sub_tactic_calls": self.sub_tactic_call_count,
            "total_cost": str(total),
            "cost_usd": total.cost,
            "total_agent_calls": self.total_agent_call_count,
            "duration_ms": self.duration_ms,
        }

    def usage_totals(self) -> dict[str, float]:
        """Return what a service tells its caller about usage: dollars, calls and tokens, nothing else."""
        total = self.total_cost
        return {
            "cost": total.cost,
            "calls": self.llm_call_count,
            "unpriced": self.unpriced_calls,
            "prompt_tokens": total.prompt_tokens,
            "completion_tokens": total.completion_tokens,
            "total_tokens": total.total_tokens,
        }

    def fold_usage(self, source: str, totals: Mapping[str, Any]) -> None:
        """Add the totals that a service reported as one agent call of this session.

        Args:
            source: Name to record them under.
            totals: A map as `usage_totals` returns it; anything that is not a number counts as zero.
        """
        trace = InvokeTrace(
            cost=InvokeCost(
                prompt_tokens=int(number_in(totals, "prompt_tokens")),
                completion_tokens=int(number_in(totals, "completion_tokens")),
                total_tokens=int(number_in(totals, "total_tokens")),
                cost=float(number_in(totals, "cost")),
            ),
            calls=max(0, int(number_in(totals, "calls"))),
            unpriced=max(0, int(number_in(totals, "unpriced"))),
        )
        self.record_agent_call(
            source, AgentCallSession(agent_name=source, invoke_traces={0: [trace]}, state="success")
        )

    def _costs(self) -> Iterator[InvokeCost]:
        for agent in self._own_agents():
            yield from (trace.cost for trace in agent.traces)
        for child in self._children():
            yield from child._costs()

    def _own_agents(self) -> list[AgentCallSession]:
        with _lock:
            return [session for sessions in self.agent_sessions.values() for session in sessions]

    def _children(self) -> list[TacticCallSession]:
        with _lock:
            return [session for sessions in self.sub_tactic_sessions.values() for session in sessions]

    def _sum_traces(self, count: Callable[[InvokeTrace], int]) -> int:
        own = sum(count(trace) for agent in self._own_agents() for trace in agent.traces)
        return own + sum(child._sum_traces(count) for child in self._children())


def current_session() -> TacticCallSession | None:
    """Return the session of the call that is running in this thread or task, or None outside of one."""
    call = active_call.get()
    return None if call is None else call.session


def record_usage(
    source: str,
    usage: Mapping[str, Any] | None = None,
    *,
    model: str | None = None,
    cost: float | None = None,
    state: Literal["success", "failure"] = "success",
    error: BaseException | str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Add one use of a model to the running call; without a running call this does nothing.

    Args:
        source: Name to record it under: an agent, a tool, a library.
        usage: Token counts and prices, as for `InvokeCost.from_usage`.
        model: Name of the model.
        cost: Dollars, when the caller knows them better than `usage` does.
        state: How the use ended.
        error: Why it failed, when it did.
        metadata: What else to keep.
    """
    session = current_session()
    if session is None:
        return
    usage = dict(usage or {})
    if cost is not None:
        usage["response_cost"] = cost
    trace = InvokeTrace(
        model=model,
        execution_errors=[] if error is None else [typed_error_text(error)],
        cost=InvokeCost.from_usage(usage),
        unpriced=0 if is_priced(usage) else 1,
        metadata=dict(metadata or {}),
    )
    recorded = AgentCallSession(agent_name=source, invoke_traces={0: [trace]}, state=state)
    if error is not None:
        recorded.error = typed_error_text(error)
    session.record_agent_call(source, recorded)

"""`SpanObserver`: what calls did and cost, as spans of OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lllm_runtime_agents.observers import Observer

if TYPE_CHECKING:
    from lllm.session import AgentCallSession, TacticCallSession

__all__ = ["SpanObserver"]


class SpanObserver(Observer):
    """Writes the session of every outermost call as a tree of spans when the call has ended.

    Each tactic is a span with its own start and end; each answer of an agent is an event on the span of its tactic.
    Texts are not told: neither tasks nor replies nor the arguments of tools. The outermost span is a child of the
    span that is current where the call ends.

    Args:
        tracer: A tracer of OpenTelemetry; by default that of the program's own provider.

    Raises:
        ImportError: There is no tracer and the distribution `opentelemetry-api` is not installed.
    """

    def __init__(self, tracer: Any = None) -> None:
        try:
            from opentelemetry import trace
        except ImportError as error:
            raise ImportError("SpanObserver needs OpenTelemetry: pip install opentelemetry-api") from error
        self._trace = trace
        self._tracer = trace.get_tracer("lllm.agents") if tracer is None else tracer

    def on_tactic(self, session: TacticCallSession) -> None:
        """Write an outermost call; those below it are part of it."""
        if session.parent_id is None:
            self._write(session, None)

    def _write(self, session: TacticCallSession, context: Any) -> None:
        span = self._tracer.start_span(
            session.tactic_name,
            context=context,
            start_time=_nanoseconds(session.started_at),
            attributes=_of_tactic(session),
        )
        for name, answers in list(session.agent_sessions.items()):
            for answer in list(answers):
                span.add_event("agent", attributes=_of_answer(name, answer))
        inner = self._trace.set_span_in_context(span, context)
        for children in list(session.sub_tactic_sessions.values()):
            for child in list(children):
                self._write(child, inner)
        if session.state == "failure":
            span.set_status(self._trace.StatusCode.ERROR, session.error)
        span.end(end_time=_nanoseconds(session.ended_at))


def _of_tactic(session: TacticCallSession) -> dict[str, Any]:
    total = session.total_cost
    return {
        "lllm.tactic.name": session.tactic_name,
        "lllm.tactic.path": session.tactic_path or session.tactic_name,
        "lllm.session.id": session.session_id,
        "lllm.state": session.state,
        "lllm.cost_usd": total.cost,
        "lllm.model_calls": session.llm_call_count,
        "lllm.unpriced_calls": session.unpriced_calls,
        "gen_ai.usage.input_tokens": total.prompt_tokens,
        "gen_ai.usage.output_tokens": total.completion_tokens,
    }


def _of_answer(name: str, session: AgentCallSession) -> dict[str, Any]:
    cost = session.cost
    models = sorted({trace.model for trace in session.traces if trace.model})
    return {
        "gen_ai.agent.name": name,
        "gen_ai.request.model": ", ".join(models),
        "gen_ai.usage.input_tokens": cost.prompt_tokens,
        "gen_ai.usage.output_tokens": cost.completion_tokens,
        "lllm.cost_usd": cost.cost,
        "lllm.state": session.state,
        "lllm.model_calls": len(session.traces),
        "lllm.tool_calls": sum(len(calls) for step in session.interrupts.values() for calls in step),
        "lllm.repairs": session.exception_retries_count,
    }


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000_000_000)

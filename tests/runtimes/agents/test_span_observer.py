"""Sessions as spans of OpenTelemetry."""

import sys

import pytest
from opentelemetry import trace

from lllm import Tactic
from lllm_runtime_agents import SpanObserver, observe, tool


class Span(trace.NonRecordingSpan):
    """Keeps what it is told."""

    def __init__(self, context, name, parent, start, attributes):
        super().__init__(context)
        self.name, self.parent, self.start, self.attributes = name, parent, start, attributes
        self.events, self.status, self.end_time = [], None, None

    def add_event(self, name, attributes=None, timestamp=None):
        self.events.append((name, attributes))

    def set_status(self, status, description=None):
        self.status = (status, description)

    def end(self, end_time=None):
        self.end_time = end_time


class Tracer(trace.NoOpTracer):
    """Keeps the spans in the order in which they were begun."""

    def __init__(self):
        self.spans = []

    def start_span(self, name, context=None, attributes=None, start_time=None, **rest):
        parent = trace.get_current_span(context)
        ids = trace.SpanContext(7, len(self.spans) + 1, False)
        span = Span(ids, name, getattr(parent, "name", None), start_time, attributes)
        self.spans.append(span)
        return span


@tool
def look(q: str) -> str:
    """Look."""
    return f"secret {q}"


class Outer(Tactic, register=False):
    name = "outer"
    agent_group = []

    def __init__(self, config, part, **kwargs):
        super().__init__(config, **kwargs)
        self.part = part

    def call(self, task, **kwargs):
        return self.part(task)


@pytest.fixture
def outer(group_config, ask_class):
    """A tactic whose part uses a tool, answers, and then fails."""
    script = [[{"name": "look", "arguments": {"q": "x"}}], "the answer", ValueError("gone")]
    config = group_config("writer", script=script)
    config["global"]["tools"] = [look]
    return Outer(group_config(), ask_class(config))


def test_a_call_is_a_tree_of_spans(outer):
    """Times, cost and the answers of agents; no text of anybody."""
    tracer = Tracer()
    with observe(SpanObserver(tracer)):
        outer("the task")
    root, part = tracer.spans
    assert (root.name, root.parent, part.name, part.parent) == ("outer", None, "ask", "outer")
    assert root.start <= part.start <= part.end_time <= root.end_time
    assert root.attributes["lllm.cost_usd"] == part.attributes["lllm.cost_usd"] == pytest.approx(0.02)
    assert root.attributes["gen_ai.usage.input_tokens"] == 20
    ((name, answer),) = part.events
    assert (name, answer["gen_ai.agent.name"], answer["gen_ai.request.model"]) == (
        "agent",
        "writer",
        "test-model",
    )
    assert (answer["lllm.model_calls"], answer["lllm.tool_calls"], answer["lllm.state"]) == (2, 1, "success")
    told = repr([vars(span) for span in tracer.spans])
    assert not any(text in told for text in ("the task", "the answer", "secret"))


def test_failures_set_the_status(outer):
    """On every span that the exception passed; nothing is written of calls that nobody watches."""
    tracer = Tracer()
    outer("unseen")
    with observe(SpanObserver(tracer)), pytest.raises(ValueError, match="gone"):
        outer("x")
    assert [span.status for span in tracer.spans] == [(trace.StatusCode.ERROR, "ValueError: gone")] * 2


def test_the_current_span_is_the_parent(outer):
    """So a served call hangs below the span of its request."""
    tracer = Tracer()
    around = tracer.start_span("request")
    with trace.use_span(around), observe(SpanObserver(tracer)):
        outer("x")
    assert [span.parent for span in tracer.spans[1:]] == ["request", "outer"]


def test_without_the_library_the_error_names_it(monkeypatch):
    """It is imported only when the observer is made."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match="pip install opentelemetry-api"):
        SpanObserver()


def test_without_a_provider_nothing_happens(outer):
    """The library's own tracer records nothing."""
    with observe(SpanObserver()):
        assert outer("x") == "the answer"

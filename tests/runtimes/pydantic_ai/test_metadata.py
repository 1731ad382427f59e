"""What a run carries of its call: metadata, conversation, spans."""

import pytest
from opentelemetry import trace
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings

from lllm import CallContext
from lllm_runtime_pydantic_ai import PydanticAITactic


@pytest.fixture
def tactic(talker):
    """A tactic that answers with the library's result."""
    return PydanticAITactic(talker, result_mode="result")


def test_ids_and_metadata_of_the_context_are_the_runs(tactic):
    """The run can be found by the ids of the call."""
    context = CallContext(request_id="r-1", trace_id="t-1", tags={"team": "a"}, metadata={"tenant": "acme"})
    result = tactic.run("x", context=context)
    assert result.metadata == {
        "tenant": "acme",
        "lllm_request_id": "r-1",
        "lllm_trace_id": "t-1",
        "lllm_tags": {"team": "a"},
    }


def test_the_metadata_of_the_tactic_is_the_runs_too(talker):
    """Below that of the context; a call that gives its own replaces both."""
    tactic = PydanticAITactic(
        talker, result_mode="result", metadata={"team": "a", "tenant": "any", "token": "t"}
    )
    context = CallContext(request_id="r-1", metadata={"tenant": "acme"})
    metadata = tactic.run("x", context=context).metadata
    assert metadata == {"team": "a", "tenant": "acme", "lllm_request_id": "r-1"}
    assert tactic.run("x", context=context, metadata={"mine": 1}).metadata == {"mine": 1}


def test_the_request_id_is_never_the_run_id(tactic):
    """The library makes its own."""
    result = tactic.run("x", context=CallContext(request_id="r-1"))
    assert result.run_id != "r-1"


def test_secrets_stay_behind(tactic):
    """The library exports metadata on spans, so what looks like a secret is left out."""
    context = CallContext(metadata={"api_key": "sk-1", "nested": {"password": "x", "kept": 1}})
    metadata = tactic.run("x", context=context).metadata
    assert "api_key" not in metadata
    assert metadata["nested"] == {"kept": 1}


def test_the_session_is_the_conversation(tactic):
    """Unless the run continues another one."""
    seen = []
    tactic.settings.output_mapper = lambda result: seen.append(result) or result.output
    session = tactic.run("x", return_session=True)
    assert seen[0].conversation_id == session.session_id
    tactic.run("y", message_history=seen[0].all_messages())
    assert seen[1].conversation_id == seen[0].conversation_id
    tactic.run("z", conversation_id="mine")
    assert seen[2].conversation_id == "mine"


class Span(trace.NonRecordingSpan):
    """A span that remembers its attributes."""

    def __init__(self, name, attributes):
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.name, self.attributes, self.ended = name, dict(attributes or {}), False

    def is_recording(self):
        return not self.ended

    def set_attribute(self, key, value):
        self.attributes[key] = value

    def set_attributes(self, attributes):
        self.attributes.update(attributes)

    def end(self, end_time=None):
        self.ended = True


class Tracer(trace.NoOpTracer):
    """A tracer that keeps its spans."""

    def __init__(self):
        self.spans = []

    def start_span(self, name, context=None, kind=None, attributes=None, **options):
        self.spans.append(Span(name, attributes))
        return self.spans[-1]

    def start_as_current_span(
        self, name, context=None, kind=None, attributes=None, end_on_exit=True, **options
    ):
        return trace.use_span(self.start_span(name, attributes=attributes), end_on_exit=end_on_exit)


class Provider(trace.NoOpTracerProvider):
    """A provider of one tracer."""

    def __init__(self):
        self.tracer = Tracer()

    def get_tracer(self, *args, **kwargs):
        return self.tracer


def test_spans_carry_the_ids():
    """With instrumentation on, the span of the run has the ids of the call in its metadata, and ends."""
    provider = Provider()
    agent = Agent(FunctionModel(lambda messages, info: ModelResponse([TextPart("hi")])), name="traced")
    agent.instrument = InstrumentationSettings(tracer_provider=provider)
    PydanticAITactic(agent).run("x", context=CallContext(request_id="r-1", trace_id="t-1"))
    texts = [str(span.attributes) for span in provider.tracer.spans]
    assert any("r-1" in text and "t-1" in text for text in texts)
    assert all(span.ended for span in provider.tracer.spans)

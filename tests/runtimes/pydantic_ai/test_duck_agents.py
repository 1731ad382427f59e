"""Objects that have an agent's methods and are none of the library's: which method is called, and with what."""

import asyncio
import contextlib
import threading
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from lllm import CallContext, TacticEvent, TacticUnsupportedError
from lllm_runtime_pydantic_ai import PydanticAITactic


class Words(BaseModel):
    text: str


class Recorder:
    """Answers synchronously and keeps what it was asked."""

    def __init__(self, answer="said"):
        self.calls = []
        self.answer = answer

    def run_sync(self, task, **kwargs):
        self.calls.append((task, kwargs))
        return SimpleNamespace(output=self.answer)


async def collect(items):
    """Return the items of an asynchronous iterator."""
    return [item async for item in items]


def test_run_calls_run_sync_and_arun_calls_run():
    """Each path uses its own method; what `run` returns is awaited when it must be."""

    class Both(Recorder):
        async def run(self, task, **kwargs):
            return SimpleNamespace(output="awaited")

    tactic = PydanticAITactic(Both())
    assert tactic.run("q") == "said"
    assert asyncio.run(tactic.arun("q")) == "awaited"


def test_arun_accepts_a_run_that_answers_at_once():
    """`run` need not be a coroutine function."""

    class Quick:
        def run(self, task, **kwargs):
            return SimpleNamespace(output=task)

    assert asyncio.run(PydanticAITactic(Quick()).arun("q")) == "q"


def test_arun_falls_back_to_run_sync_in_a_thread():
    """Without `run` the synchronous method runs elsewhere than on the event loop."""
    threads = []

    class Slow(Recorder):
        def run_sync(self, task, **kwargs):
            threads.append(threading.current_thread())
            return super().run_sync(task, **kwargs)

    assert asyncio.run(PydanticAITactic(Slow()).arun("q")) == "said"
    assert threads != [threading.main_thread()]


def test_run_without_run_sync_is_a_type_error():
    """The error names the method that is missing."""

    class Later:
        async def run(self, task):
            return task

    with pytest.raises(TypeError, match=r"^Pydantic AI agent must define run_sync\(\) for sync calls\.$"):
        PydanticAITactic(Later()).run("q")


@pytest.mark.parametrize(
    ("mode", "handed"),
    [
        ("auto", '{"text":"a"}'),
        ("json", '{"text":"a"}'),
        ("dict", {"text": "a"}),
        ("python", Words(text="a")),
        ("text", "text='a'"),
    ],
)
def test_a_model_is_handed_over_as_the_input_mode_says(mode, handed):
    """JSON text, a JSON-like dict, the object, or `str()` of it."""
    agent = Recorder()
    PydanticAITactic(agent, input_type=Words, input_mode=mode).run({"text": "a"})
    assert agent.calls[0][0] == handed


@pytest.mark.parametrize(("mode", "handed"), [("auto", {"a": 1}), ("json", {"a": 1}), ("text", "{'a': 1}")])
def test_other_values_stay_unless_text_is_asked_for(mode, handed):
    """What is no model is handed over unchanged."""
    agent = Recorder()
    PydanticAITactic(agent, input_mode=mode).run({"a": 1})
    assert agent.calls[0][0] == handed


def test_an_input_mapper_goes_over_the_mode():
    """The mapper gets the validated input."""
    agent = Recorder()
    PydanticAITactic(
        agent, input_type=Words, input_mode="text", input_mapper=lambda value: value.text * 2
    ).run({"text": "ab"})
    assert agent.calls[0][0] == "abab"


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (SimpleNamespace(output="o", data="d"), "o"),
        (SimpleNamespace(data="d"), "d"),
        ("plain", "plain"),
        (SimpleNamespace(output=None), None),
    ],
)
def test_the_output_is_found_in_the_result(result, output):
    """`output`, else `data`, else the result itself."""
    agent = SimpleNamespace(run_sync=lambda task: result)
    assert PydanticAITactic(agent).run("q") == output


def test_result_mode_and_output_mapper():
    """The result mode answers with the raw result; a mapper goes over it."""
    result = SimpleNamespace(output="o")
    agent = SimpleNamespace(run_sync=lambda task: result)
    assert PydanticAITactic(agent, result_mode="result").run("q") is result
    mapped = PydanticAITactic(agent, result_mode="result", output_mapper=lambda found: [found.output])
    assert mapped.run("q") == ["o"]


def test_the_output_type_of_the_agent_validates():
    """Nobody has validated the output of such an object, so its `output_type` is held against it."""
    agent = Recorder(answer={"text": "a"})
    agent.output_type = Words
    assert PydanticAITactic(agent).run("q") == Words(text="a")


def test_keyword_arguments_of_config_and_call_reach_the_agent():
    """Those of the call go over `run_kwargs`; containers are copied, what is in them is shared."""
    agent, leaf = Recorder(), object()
    given = {"deps": {"leaf": leaf}, "model": "a"}
    tactic = PydanticAITactic(agent, run_kwargs=given, include_context_metadata=False)
    given["deps"]["later"] = True
    tactic.run("q", model="b")
    assert agent.calls[0][1] == {"deps": {"leaf": leaf}, "model": "b"}
    agent.calls[0][1]["deps"]["changed"] = True
    tactic.run("q")
    assert agent.calls[1][1]["deps"] == {"leaf": leaf}


class Stream:
    """A stream with all the methods that modes select, and a context manager around itself."""

    def __init__(self):
        self.entered = self.left = 0

    async def __aenter__(self):
        self.entered += 1
        return self

    async def __aexit__(self, *exception):
        self.left += 1

    async def stream_output(self):
        yield "o1"
        yield "o2"

    async def stream_text(self):
        yield "t1"

    async def stream_response(self):
        yield "r1"


@pytest.mark.parametrize(
    ("mode", "chunks"), [("output", ["o1", "o2"]), ("text", ["t1"]), ("response", ["r1"])]
)
def test_astream_selects_by_mode_and_enters_once(mode, chunks):
    """A context manager that returns itself is entered and left exactly once."""
    stream = Stream()
    agent = SimpleNamespace(run_stream=lambda task: stream)
    assert asyncio.run(collect(PydanticAITactic(agent, stream_mode=mode).astream("q"))) == chunks
    assert (stream.entered, stream.left) == (1, 1)


def test_raw_mode_yields_the_stream_itself():
    """One item: the very object that the agent's context manager gave."""
    stream = Stream()
    agent = SimpleNamespace(run_stream=lambda task: stream)
    assert asyncio.run(collect(PydanticAITactic(agent, stream_mode="raw").astream("q"))) == [stream]


def test_astream_takes_what_run_stream_may_be():
    """A coroutine, an asynchronous generator, a plain list: whatever it answers with is streamed."""

    async def later(task):
        return ["a", "b"]

    async def generator(task):
        yield "a"
        yield "b"

    for run_stream in (later, generator, lambda task: iter(["a", "b"])):
        tactic = PydanticAITactic(SimpleNamespace(run_stream=run_stream))
        assert asyncio.run(collect(tactic.astream("q"))) == ["a", "b"]


def test_astream_falls_back_to_run_stream_sync():
    """Without `run_stream` the synchronous stream is read in a thread."""
    agent = SimpleNamespace(run_stream_sync=lambda task: ["a", task])
    assert asyncio.run(collect(PydanticAITactic(agent).astream("q"))) == ["a", "q"]


def test_stream_uses_run_stream_sync():
    """The stream of a context manager is selected like any other; the manager is left at the end."""
    left = []

    @contextlib.contextmanager
    def run_stream_sync(task):
        yield SimpleNamespace(stream_output=lambda: iter([1, 2]), stream_text=lambda: iter(["x"]))
        left.append(task)

    agent = SimpleNamespace(run_stream_sync=run_stream_sync)
    assert list(PydanticAITactic(agent).stream("q")) == [1, 2]
    assert list(PydanticAITactic(agent, stream_mode="text").stream("q")) == ["x"]
    assert left == ["q", "q"]


def test_stream_reads_an_asynchronous_selection():
    """`stream_output` may be asynchronous where `run_stream_sync` is not."""
    agent = SimpleNamespace(
        run_stream_sync=lambda task: SimpleNamespace(stream_output=Stream().stream_output)
    )
    assert list(PydanticAITactic(agent).stream("q")) == ["o1", "o2"]


def test_stream_without_run_stream_sync_is_unsupported():
    """An object that only streams asynchronously cannot be streamed synchronously."""
    tactic = PydanticAITactic(SimpleNamespace(run_stream=lambda task: Stream()))
    with pytest.raises(TacticUnsupportedError, match="run_stream_sync"):
        list(tactic.stream("q"))
    with pytest.raises(TacticUnsupportedError, match="does not support stream"):
        PydanticAITactic(Recorder()).stream("q")


def test_texts_and_maps_are_single_chunks():
    """A string is not taken apart, nor is a dict."""
    for single in ("text", b"bytes", {"a": 1}, 7):
        agent = SimpleNamespace(run_stream_sync=lambda task, single=single: single)
        assert list(PydanticAITactic(agent).stream("q")) == [single]


def test_events_of_the_object_pass_or_are_wrapped():
    """A `TacticEvent` passes as it is; plain data becomes a message; objects of the library's kind become parts."""
    own = TacticEvent(kind="custom", data=1)

    async def run_stream_events(task):
        yield own
        yield "plain"
        yield SimpleNamespace(event_kind="brand_new", payload=object())
        yield SimpleNamespace(event_kind="agent_run_result", result=SimpleNamespace(output="end"))

    tactic = PydanticAITactic(SimpleNamespace(run_stream_events=run_stream_events, run_stream=None))
    events = asyncio.run(collect(tactic._aevents("q", context=CallContext())))
    assert events[0] is own
    assert [(event.kind, event.data) for event in events[1:2]] == [("message", "plain")]
    assert [event.kind for event in events[2:]] == ["part", "result"]
    assert events[3].data == "end"


def test_aevents_falls_back_to_the_chunks():
    """Without `run_stream_events` each chunk is a message."""
    tactic = PydanticAITactic(SimpleNamespace(run_stream=lambda task: Stream()))
    events = asyncio.run(collect(tactic.aevents("q")))
    assert [(event.kind, event.data) for event in events] == [("message", "o1"), ("message", "o2")]


def test_capabilities_follow_the_methods():
    """What is static counts; a property is never evaluated."""

    class Careful:
        @property
        def run_stream(self):
            raise AssertionError("evaluated")

        def run_stream_events(self, task):
            return []

    assert PydanticAITactic(Recorder()).capabilities() == {"run", "arun"}
    assert PydanticAITactic(Careful()).capabilities() == {"run", "arun", "events"}
    streaming = SimpleNamespace(run_stream_sync=lambda task: [])
    assert PydanticAITactic(streaming).capabilities() == {"run", "arun", "stream"}


def test_the_schema_of_the_agent_is_the_output_schema():
    """A static callable that returns a dict; whatever else it does is ignored."""

    class Telling(Recorder):
        output_type = Words

        def output_json_schema(self):
            return {"title": "Mine"}

    class Failing(Telling):
        def output_json_schema(self):
            raise LookupError

    assert PydanticAITactic(Telling()).info().output_schema == {"title": "Mine"}
    assert PydanticAITactic(Failing()).info().output_schema["title"] == "Words"
    assert PydanticAITactic(Recorder()).info().output_schema is None


@pytest.mark.parametrize("alternatives", [[Words, str], object()])
def test_an_output_type_that_only_the_agent_understands_is_not_checked(alternatives):
    """A list of alternatives, a marker: `run` and `info` work."""
    agent = Recorder()
    agent.output_type = alternatives
    tactic = PydanticAITactic(agent)
    assert tactic.run("q") == "said"
    assert tactic.info().output_schema is None


def test_context_metadata_goes_to_agents_that_take_it():
    """A copy of the metadata with the ids that are set; by name or through `**kwargs`."""
    context = CallContext(
        request_id="r", trace_id="t", tags={"team": "a"}, metadata={"k": ["v"], "lllm_trace_id": "mine"}
    )
    seen = []
    named = SimpleNamespace(run_sync=lambda task, metadata: seen.append(metadata))
    without = SimpleNamespace(run_sync=lambda task: seen.append(None))
    PydanticAITactic(named).run("q", context=context)
    PydanticAITactic(without).run("q", context=context)
    assert seen == [
        {"k": ["v"], "lllm_trace_id": "mine", "lllm_request_id": "r", "lllm_tags": {"team": "a"}},
        None,
    ]
    seen[0]["k"].append("changed")
    assert context.metadata["k"] == ["v"]


def test_context_metadata_can_be_left_out_or_replaced():
    """The flag turns it off, and a `metadata` keyword replaces it."""
    agent = Recorder()
    PydanticAITactic(agent, include_context_metadata=False).run("q")
    PydanticAITactic(agent).run("q", metadata={"own": 1})
    assert [kwargs for _, kwargs in agent.calls] == [{}, {"metadata": {"own": 1}}]


def test_every_id_of_the_context_has_its_key():
    """All eight, each under its own name."""
    context = CallContext(
        request_id="r",
        trace_id="t",
        span_id="s",
        package_ref="psi://o/p/tactics/a",
        service_ref="https://example.org",
        tactic_ref="psi://o/p/tactics/b",
        endpoint="run",
        tags={"a": "b"},
    )
    agent = Recorder()
    PydanticAITactic(agent).run("q", context=context)
    assert agent.calls[0][1]["metadata"] == {
        "lllm_request_id": "r",
        "lllm_trace_id": "t",
        "lllm_span_id": "s",
        "lllm_package_ref": "psi://o/p/tactics/a",
        "lllm_service_ref": "https://example.org",
        "lllm_tactic_ref": "psi://o/p/tactics/b",
        "lllm_endpoint": "run",
        "lllm_tags": {"a": "b"},
    }

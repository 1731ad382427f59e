"""Any object that works like a tactic as one."""

import asyncio
import threading

import pytest

from lllm import CallContext, NativeTacticAdapter, Tactic, TacticEvent, TacticUnsupportedError


class Plain:
    """A plain object."""

    def run(self, task, **kwargs):
        return {"task": task, **kwargs}


class Streaming:
    name = "streamer"

    def call(self, task):
        return task

    def stream(self, task):
        return [f"{task}{n}" for n in range(3)]


def read(items):
    async def collect():
        return [item async for item in items]

    return asyncio.run(collect())


def test_the_object_describes_itself():
    """Names, types and descriptions; arguments win."""

    class Typed:
        name = "typed"
        description = "Does it."
        input_model = int
        output_type = str

        def run(self, task):
            return task

    adapted = NativeTacticAdapter(Typed())
    assert (adapted.tactic_name, adapted.input_type, adapted.output_type) == ("typed", int, str)
    assert adapted.info().description == "Does it."
    assert adapted.info().runtime_kind == "native"
    assert NativeTacticAdapter(Plain()).tactic_name == "Plain"
    assert NativeTacticAdapter(Plain()).info().description == "A plain object."
    renamed = NativeTacticAdapter(Typed(), name="n", input_type=str, description="", metadata={"k": 1})
    assert (renamed.tactic_name, renamed.input_type, renamed.info().description) == ("n", str, "")
    assert renamed.info().metadata == {"k": 1}


def test_context_and_metadata_reach_who_takes_them():
    """Named or through `**kwargs`; the context's ids are added where they are missing."""
    context = CallContext(
        request_id="r", trace_id="t", metadata={"a": 1, "lllm_trace_id": "own"}, tags={"k": "v"}
    )
    got = NativeTacticAdapter(Plain()).run("x", context=context)
    assert got["context"] is context
    assert got["metadata"] == {
        "a": 1,
        "lllm_trace_id": "own",
        "lllm_request_id": "r",
        "lllm_tags": {"k": "v"},
    }
    got = NativeTacticAdapter(Plain(), include_context_metadata=False).run("x", context=context)
    assert "metadata" not in got
    assert NativeTacticAdapter(Plain()).run("x", context=context, metadata=3)["metadata"] == 3
    assert NativeTacticAdapter(Streaming()).run("x", context=context) == "x"


def test_run_kwargs_lie_under_those_of_the_call():
    """They are copied, and must be a string-keyed map."""
    given = {"depth": 1, "list": []}
    adapted = NativeTacticAdapter(Plain(), run_kwargs=given)
    got = adapted.run("x", depth=2)
    assert (got["depth"], got["list"]) == (2, [])
    got["list"].append(1)
    assert adapted.run("x")["list"] == []
    with pytest.raises(TypeError, match=r"run_kwargs must be a mapping\."):
        NativeTacticAdapter(Plain(), run_kwargs=[1])
    with pytest.raises(TypeError, match=r"run_kwargs keys must be strings\."):
        NativeTacticAdapter(Plain(), run_kwargs={1: 2})
    with pytest.raises(TypeError, match="include_context_metadata"):
        NativeTacticAdapter(Plain(), include_context_metadata=1)


def test_methods_are_chosen_in_order():
    """`run` before `call`, `arun` before `acall`; each side stands in for the other."""

    class Both:
        def call(self, task):
            return "call"

        def run(self, task):
            return "run"

        async def acall(self, task):
            return "acall"

        async def arun(self, task):
            return "arun"

    class OnlyAsync:
        async def acall(self, task):
            return "acall"

    class OnlySync:
        def call(self, task):
            return threading.current_thread().name

    assert NativeTacticAdapter(Both()).run("x") == "run"
    assert asyncio.run(NativeTacticAdapter(Both()).arun("x")) == "arun"
    assert NativeTacticAdapter(OnlyAsync()).run("x") == "acall"
    assert asyncio.run(NativeTacticAdapter(OnlySync()).arun("x")) != threading.current_thread().name
    with pytest.raises(TypeError, match=r"must define run\(\), call\(\)"):
        NativeTacticAdapter(object()).run("x")


def test_streams_are_flattened():
    """An iterable gives its items, anything else is one; both kinds of reader work."""
    adapted = NativeTacticAdapter(Streaming())
    assert list(adapted.stream("x")) == ["x0", "x1", "x2"]
    assert read(adapted.astream("x")) == ["x0", "x1", "x2"]
    assert [event.data for event in read(adapted.aevents("x"))] == ["x0", "x1", "x2"]

    class Single:
        def stream(self, task):
            return task

    for value in ("text", b"bytes", {"a": 1}):
        assert list(NativeTacticAdapter(Single()).stream(value)) == [value]


def test_asynchronous_streams_and_events_pass():
    """Native events are passed on, not wrapped again."""

    class Live:
        def capabilities(self):
            return {"run", "stream", "events"}

        async def run(self, task):
            return task

        async def astream(self, task):
            yield f"{task}!"

        async def aevents(self, task):
            yield TacticEvent(kind="progress", data=task)

    adapted = NativeTacticAdapter(Live())
    assert adapted.capabilities() == {"run", "arun", "stream", "events"}
    assert list(adapted.stream("x")) == ["x!"]
    assert read(adapted.astream("x")) == ["x!"]
    (event,) = read(adapted.aevents("x"))
    assert (event.kind, event.data) == ("progress", "x")
    assert adapted.run("x") == "x"


def test_what_carries_only_events_streams_their_data():
    """Both kinds of reader; an object that only claims to stream is refused instead of asked forever."""

    class Events:
        def capabilities(self):
            return {"stream", "events"}

        async def aevents(self, task):
            yield TacticEvent(data=task)

    class Liar:
        def capabilities(self):
            return {"stream"}

    adapted = NativeTacticAdapter(Events())
    assert list(adapted.stream("x")) == ["x"]
    assert read(adapted.astream("x")) == ["x"]
    assert [event.data for event in read(adapted.aevents("x"))] == ["x"]
    with pytest.raises(TacticUnsupportedError):
        list(NativeTacticAdapter(Liar()).stream("x"))
    with pytest.raises(TacticUnsupportedError):
        read(NativeTacticAdapter(Liar()).astream("x"))


def test_capabilities_are_what_the_object_has():
    """Reported, or seen."""
    assert NativeTacticAdapter(Plain()).capabilities() == {"run", "arun"}
    assert NativeTacticAdapter(Streaming()).capabilities() == {"run", "arun", "stream"}
    with pytest.raises(TacticUnsupportedError, match="stream"):
        NativeTacticAdapter(Plain()).stream("x")


def test_an_agent_group_is_renamed_and_retyped(group_config, ask_class):
    """Its own call is a child of the adapter's, and the context's metadata is its session's."""
    native = ask_class(group_config("writer"))
    adapted = NativeTacticAdapter(native, name="asker", input_type=str, run_kwargs={"depth": 1})
    assert adapted.tactic_name == "asker"
    session = adapted("hi", return_session=True)
    assert session.delivery == "echo:hi"
    (child,) = session.sub_tactic_sessions["native"]
    assert child.total_cost.cost == 0.01
    assert child.metadata["lllm_request_id"]
    assert adapted.capabilities() == {"run", "arun", "stream", "events"}


def test_a_typed_tactic_is_renamed():
    """Without metadata, for which it has no use."""

    class Typed(Tactic[str, str], register=False):
        def _run(self, input_value, *, context=None):
            return f"{context.request_id}:{input_value}"

    adapted = NativeTacticAdapter(Typed(), name="other")
    assert adapted.run("x", context=CallContext(request_id="r")) == "r:x"
    assert adapted.input_type is str

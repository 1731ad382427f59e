"""Tactic classes that name an agent."""

import asyncio
import types

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import CallContext, SchemaError, Tactic
from lllm_runtime_pydantic_ai import PydanticAITacticConfig


@pytest.fixture
def make_class(briefer, topic_type, brief_type):
    """A function that makes a tactic class around the structured agent."""

    def make(**members):
        namespace = {"agent": briefer, "__doc__": "Writes briefs.", **members}
        bases = (Tactic[topic_type, brief_type],)
        return types.new_class("Writer", bases, {"register": False}, lambda body: body.update(namespace))

    return make


def test_every_path_runs_the_agent(briefer, topic_type, brief_type):
    """The class says agent and types, and nothing else."""

    class Writer(Tactic[topic_type, brief_type], register=False):
        """Writes briefs."""

        name = "writer"
        agent = briefer

    tactic, wanted = Writer(), brief_type(title="Refs", words=3)

    async def events():
        return [event async for event in tactic.aevents({"topic": "refs"})]

    async def chunks():
        return [chunk async for chunk in tactic.astream({"topic": "refs"})]

    assert tactic.run({"topic": "refs"}) == asyncio.run(tactic.arun({"topic": "refs"})) == wanted
    assert tactic({"topic": "refs"}) == wanted
    assert list(tactic.stream({"topic": "refs"}))[-1] == asyncio.run(chunks())[-1] == wanted
    seen = asyncio.run(events())
    assert (seen[-1].kind, seen[-1].data) == ("result", wanted)
    with pytest.raises(SchemaError):
        tactic.run({"topic": 7})


def test_the_class_describes_the_tactic(make_class, topic_type, brief_type):
    """Name, docstring and types of the class; kind and capabilities of the runtime."""
    info = make_class(name="writer")().info()
    assert (info.name, info.description, info.runtime_kind) == ("writer", "Writes briefs.", "pydantic-ai")
    assert info.capabilities == ("arun", "events", "run", "stream")
    assert info.input_schema == topic_type.model_json_schema()
    assert info.output_schema == brief_type.model_json_schema()


def test_the_agent_describes_a_class_that_says_nothing():
    """Without docstring and types the agent's are taken."""

    class Plain(Tactic, register=False):
        agent = Agent(ScriptedModel(), output_type=int, description="Counts.")

    info = Plain().info()
    assert (info.description, info.output_schema) == ("Counts.", {"type": "integer"})
    assert Plain(description="").info().description == ""


def test_a_config_of_the_class_and_one_of_the_instance(make_class):
    """Both have the fields of `PydanticAITacticConfig`; the instance's goes over the class's."""
    writer = make_class(config={"run_kwargs": {"metadata": {"of": "class"}}, "input_mode": "text"})
    assert writer().run({"topic": "a"}).title == "Refs"
    seen = []
    keep = lambda value: seen.append(value) or "x"
    writer({"input_mapper": keep}).run({"topic": "b"})
    writer(PydanticAITacticConfig(input_mapper=keep)).run({"topic": "c"})
    assert [value.topic for value in seen] == ["b", "c"]
    with pytest.raises(TypeError, match="config must be"):
        writer([])


def test_a_config_says_what_the_class_does_not(talker, topic_type):
    """Types, refs, description, examples and metadata; class and constructor go over it."""
    said = {
        "input_type": topic_type,
        "output_type": str,
        "description": "From the config.",
        "package_ref": "psi://demo/briefs/tactics/brief",
        "service_ref": "https://example.org/brief",
        "examples": [{"input": {"topic": "refs"}}],
        "metadata": {"team": "a"},
    }

    class Talk(Tactic, register=False):
        """From the class."""

        agent = talker
        config = said

    info = Talk().info()
    for field in ("description", "package_ref", "service_ref", "examples", "metadata"):
        assert getattr(info, field) == said[field]
    assert info.input_schema["required"] == ["topic"]
    assert Talk().run({"topic": "refs"}) == "one two three"
    with pytest.raises(SchemaError):
        Talk().run({"nothing": 1})
    given = Talk(description="", metadata={"team": "b"}, examples=[{"input": {"topic": "x"}}])
    assert given.info().description == ""
    assert given.info().metadata == {"team": "b"}
    assert given.info().examples == [{"input": {"topic": "x"}}]
    given.metadata["team"] = "c"
    assert Talk().info().metadata == {"team": "a"}

    class Number(Tactic[int, str], register=False):
        agent = talker
        config = said

    assert Number().run(7) == "one two three"


def test_deps_are_a_value_or_a_method(topic_type):
    """A method `deps` is called with the context of each call."""
    seen = []
    asked = Agent(ScriptedModel(), deps_type=str)

    @asked.tool
    def who(ctx: RunContext[str]) -> str:
        seen.append(ctx.deps)
        return ctx.deps

    class Asking(Tactic[topic_type, str], register=False):
        agent = asked
        greeting = "hello"

        def deps(self, context):
            return f"{self.greeting} {context.caller}"

    class Fixed(Tactic[topic_type, str], register=False):
        agent = asked
        deps = "fixed"

    Asking().run({"topic": "a"}, context=CallContext(caller="ada"))
    Fixed().run({"topic": "a"})
    assert seen == ["hello ada", "fixed"]


def test_an_agent_that_is_none_is_refused(topic_type):
    """A tactic with an attribute `agent` that cannot run, and no implementation, says what is wrong."""

    class Wrong(Tactic[topic_type, str], register=False):
        agent = "finder"

    with pytest.raises(TypeError, match="`agent` of `Wrong` must be a Pydantic AI agent, got str"):
        Wrong()


def test_a_class_that_implements_the_work_keeps_it(talker):
    """With `_run` of its own a class is nobody's, whatever attributes it has."""

    class Own(Tactic[str, str], register=False):
        agent = talker

        def _run(self, input_value, *, context=None):
            return "own"

    assert Own().run("x") == "own"
    assert Own().info().runtime_kind == "python"


def test_calls_are_recorded_under_the_class(make_class):
    """The session is the tactic's, the usage the agent's."""
    session = make_class(name="writer")().run({"topic": "a"}, return_session=True)
    assert session.tactic_name == "writer"
    assert list(session.agent_sessions) == ["briefer"]
    assert session.sub_tactic_call_count == 0
    assert make_class()().sub_tactics == {}

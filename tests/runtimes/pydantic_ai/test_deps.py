"""Dependencies of tools: values, factories, and the context of the call."""

import asyncio
from functools import partial

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import CallContext, current_call
from lllm_runtime_pydantic_ai import ContextDeps, PydanticAITactic, with_context


@pytest.fixture
def seen():
    """What the tool of the agent found as its dependencies."""
    return []


@pytest.fixture
def agent(seen):
    """An agent whose tool looks at its dependencies."""
    made = Agent(ScriptedModel())

    @made.tool
    def look(ctx: RunContext[object]) -> str:
        seen.append(ctx.deps)
        return "ok"

    return made


class Database:
    """A dependency that can be called, as many can, and is no factory."""

    def __call__(self, context):
        raise AssertionError("called")


def read(tactic, way, **kwargs):
    """Call the tactic one way or another."""

    async def events():
        return [event async for event in tactic.aevents("x", **kwargs)]

    if way == "aevents":
        asyncio.run(events())
    elif way == "arun":
        asyncio.run(tactic.arun("x", **kwargs))
    else:
        list(tactic.stream("x", **kwargs)) if way == "stream" else tactic.run("x", **kwargs)


@pytest.mark.parametrize("way", ["run", "arun", "stream", "aevents"])
def test_a_factory_is_called_with_the_context_of_each_call(agent, seen, way):
    """On every path; the call's own dependencies go over those of the constructor."""
    tactic = PydanticAITactic(agent, deps=lambda context: f"for {context.caller}")
    read(tactic, way, context=CallContext(caller="ada"))
    read(tactic, way, context=CallContext(caller="bob"))
    read(tactic, way, deps="given")
    assert seen == ["for ada", "for bob", "given"]


def test_values_are_handed_on_as_they_are(agent, seen):
    """An object that can be called is a value."""
    database = Database()
    PydanticAITactic(agent, deps=database).run("x")
    assert seen == [database]


async def later(context):
    """A factory that must be awaited."""
    return f"later {context.request_id}"


class Made:
    """A class is a factory."""

    def __init__(self, context):
        self.context = context

    def make(self, context):
        """So is a method."""
        return self.context, context.request_id


def test_what_counts_as_a_factory(agent, seen):
    """Functions, coroutine functions, classes, methods, partials."""
    for factory in (
        later,
        Made,
        Made("m").make,
        partial(lambda first, context: (first, context.request_id), 1),
    ):
        PydanticAITactic(agent, deps=factory).run("x", context=CallContext(request_id="r"))
    assert (seen[0], seen[1].context.request_id, seen[2], seen[3]) == ("later r", "r", ("m", "r"), (1, "r"))


@pytest.mark.parametrize("is_async", [True, False])
def test_a_generator_function_cleans_up_after_the_run(agent, seen, is_async):
    """What it yields is the dependencies; it goes on when the run is over, also after a failure."""
    steps = []

    async def opened(context):
        steps.append("open")
        try:
            yield "connection"
        finally:
            steps.append("close")

    def opened_at_once(context):
        steps.append("open")
        try:
            yield "connection"
        finally:
            steps.append("close")

    tactic = PydanticAITactic(agent, deps=opened if is_async else opened_at_once)
    tactic.run("x")
    assert (seen, steps) == (["connection"], ["open", "close"])
    with pytest.raises(TypeError):
        tactic.run("x", no_such=1)
    assert steps == ["open", "close"] * 2


def test_a_failing_factory_fails_the_call(agent):
    """Its exception arrives as it is, and no model was asked."""

    def broken(context):
        raise LookupError("no database")

    with pytest.raises(LookupError, match="no database") as caught:
        PydanticAITactic(agent, deps=broken).run("x")
    assert caught.value.session.llm_call_count == 0


def test_with_context_adds_the_context_to_the_dependencies(agent, seen):
    """Around a value, a factory, or nothing."""
    context = CallContext(caller="ada")
    for deps in ("db", lambda context: f"db of {context.caller}", None):
        PydanticAITactic(agent, deps=with_context(deps)).run("x", context=context)
    assert [found.deps for found in seen] == ["db", "db of ada", None]
    assert all(type(found) is ContextDeps for found in seen)
    assert all(found.context is context for found in seen)


def test_with_context_closes_what_an_inner_generator_opened(agent):
    """The cleaning up is the inner factory's as well."""
    steps = []

    async def opened(context):
        yield steps.append("open")
        steps.append("close")

    PydanticAITactic(agent, deps=with_context(opened)).run("x")
    assert steps == ["open", "close"]


def test_the_running_call_is_there_without_dependencies(talker):
    """`current_call()` works in tools, synchronous ones too."""
    found = []
    agent = Agent(ScriptedModel())

    @agent.tool_plain
    def now() -> str:
        found.append(current_call().context.caller)
        return "ok"

    @agent.tool_plain
    async def later_on() -> str:
        found.append(current_call().context.caller)
        return "ok"

    PydanticAITactic(agent).run("x", context=CallContext(caller="ada"))
    assert found == ["ada", "ada"]

"""What runs use and cost: in the session, in the trace, against limits, across nested runs."""

import asyncio
from decimal import Decimal

import pytest
from pydantic_ai import Agent, RunContext, RunUsage, UsageLimits
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import BudgetExceeded, Tactic, as_tactic, record_usage
from lllm_runtime_pydantic_ai import PydanticAITactic, TacticToolset, tactic_as_tool

PRICE = 100 * 2.5e-6 + 20 * 10e-6
"""Dollars for one answer of the stub server, by the library's price data for gpt-4o."""


def only_trace(session, name):
    """Return the one recorded run of an agent."""
    (recorded,) = session.agent_sessions[name]
    (trace,) = recorded.traces
    return trace


def test_a_run_is_recorded_under_the_agents_name(make_served):
    """Tokens, dollars and the model's name; the whole run is one agent call."""
    session = PydanticAITactic(make_served()).run("x", return_session=True)
    trace = only_trace(session, "served")
    assert (trace.model, trace.calls, trace.unpriced) == ("gpt-4o", 1, 0)
    assert (trace.cost.prompt_tokens, trace.cost.completion_tokens, trace.cost.total_tokens) == (100, 20, 120)
    assert session.total_cost.cost == pytest.approx(PRICE)
    assert (session.agent_call_count, session.llm_call_count) == (1, 1)


def test_the_trace_carries_the_usage(make_served):
    """The flat trace says the same in its metadata."""
    usage = PydanticAITactic(make_served()).run("x", return_trace=True).trace.metadata["usage"]
    assert usage["cost"] == pytest.approx(PRICE)
    assert (usage["calls"], usage["unpriced"], usage["total_tokens"]) == (1, 0, 120)


def test_every_path_records_once(make_served):
    """`run`, `arun`, `stream`, `astream` and `aevents`, whichever kind of chunk."""
    seen = []

    class Parent(Tactic[str, int], register=False):
        def _run(self, input_value, *, context=None):
            text, counted = (
                PydanticAITactic(make_served()),
                PydanticAITactic(make_served(), stream_mode="response"),
            )
            text.run("x")
            list(text.stream("x"))
            list(counted.stream("x"))
            asyncio.run(self.later(text, counted))
            return 0

        async def later(self, text, counted):
            await text.arun("x")
            for items in (text.astream("x"), counted.astream("x"), text.aevents("x")):
                seen.extend([item async for item in items])

    session = Parent().run("x", return_session=True)
    assert session.llm_call_count == 7
    assert session.total_cost.cost == pytest.approx(7 * PRICE)


def test_an_unknown_price_is_counted_as_such(talker):
    """The model of the tests has no price: no dollars, one unpriced call."""
    session = PydanticAITactic(talker).run("x", return_session=True)
    assert (session.total_cost.cost, session.unpriced_calls) == (0.0, 1)


def test_a_failed_run_is_recorded_with_what_it_used(make_served, server, reply):
    """The first answer was paid for before the second request failed."""
    agent = make_served()

    @agent.tool_plain
    def look() -> str:
        return "seen"

    server.say(reply(tools=(("look", {}),)), reply("down", status=500))
    tactic = PydanticAITactic(agent)
    session = tactic.run("x", return_session="always")
    trace = only_trace(session, "served")
    assert (trace.calls, trace.cost.total_tokens) == (1, 120)
    assert trace.cost.cost == pytest.approx(PRICE)
    assert session.agent_sessions["served"][0].state == "failure"
    assert "500" in session.agent_sessions["served"][0].error


def test_a_pipeline_over_runtimes_shows_one_cost(make_served):
    """An agent, a plain function and the tactic around them fold into one bill."""

    def paid(text: str) -> str:
        """Cost a cent."""
        record_usage("elsewhere", {"prompt_tokens": 1}, cost=0.01)
        return text

    first, second = PydanticAITactic(make_served()), as_tactic(paid)

    class Pipeline(Tactic[str, str], register=False):
        def _run(self, input_value, *, context=None):
            return second.run(first.run(input_value))

    session = Pipeline().run("x", return_session=True)
    assert session.total_cost.cost == pytest.approx(PRICE + 0.01)
    assert session.sub_tactic_call_count == 2
    assert session.agent_call_count == 0


@pytest.mark.parametrize("outside", ["run", "arun"])
def test_agents_of_both_runtimes_share_one_bill(make_served, server, outside):
    """A group of ours asks the same server; what either of them costs is in the session around both."""

    class Group(Tactic, register=False):
        name = "group"
        agent_group = ["clerk"]

        def call(self, task, **kwargs):
            clerk = self.agents["clerk"]
            clerk.open("ask").receive(task)
            return clerk.respond().content

    group = Group(
        {
            "invoker": "models",
            "invoker_config": {"base_url": server.url},
            "agent_configs": [{"name": "clerk", "model_name": "gpt-4o", "system_prompt": "Answer."}],
        }
    )
    agent = PydanticAITactic(make_served())

    class Pipeline(Tactic[str, str], register=False):
        async def _arun(self, input_value, *, context=None):
            return await agent.arun(await group.arun(input_value))

    pipeline = Pipeline()
    if outside == "run":
        session = pipeline.run("x", return_session=True)
    else:
        session = asyncio.run(pipeline.arun("x", return_session=True))
    assert session.delivery == "echo:echo:x"
    assert session.total_cost.cost == pytest.approx(2 * PRICE)
    assert session.total_cost.total_tokens == 240
    assert (session.unpriced_calls, session.total_agent_call_count) == (0, 2)


@pytest.mark.parametrize("wrap", [tactic_as_tool, lambda tactic: TacticToolset([tactic])])
def test_an_agent_inside_a_tool_is_counted_once(make_served, server, reply, wrap):
    """Its usage is its own; that of the run around it does not hold it again."""
    inner = PydanticAITactic(make_served(name="inner"), name="ask")
    tool = wrap(inner)
    outer = make_served(name="outer", **({"tools": [tool]} if callable(tool) else {"toolsets": [tool]}))
    server.say(reply(tools=(("ask", {"task": "q"}),)), reply("inner answer"), reply("outer answer"))
    session = PydanticAITactic(outer).run("x", return_session=True)
    assert only_trace(session, "outer").calls == 2
    (below,) = session.sub_tactic_sessions["ask"]
    assert only_trace(below, "inner").calls == 1
    assert session.total_cost.cost == pytest.approx(3 * PRICE)


# --- limits


def test_a_limit_that_is_reached_is_a_budget(talker):
    """The error is the core's, with the library's as its cause; what was used is in the session."""
    tactic = PydanticAITactic(talker, usage_limits=UsageLimits(output_tokens_limit=1))
    for call in (
        tactic.run,
        lambda value: asyncio.run(tactic.arun(value)),
        lambda value: list(tactic.stream(value)),
    ):
        with pytest.raises(BudgetExceeded, match="output_tokens_limit") as caught:
            call("x")
        assert type(caught.value.__cause__).__name__ == "UsageLimitExceeded"
        assert caught.value.session.llm_call_count == 1
    assert tactic.run("x", usage_limits=UsageLimits()) == "one two three"


def test_a_limit_in_dollars(make_served):
    """The library's prices count."""
    with pytest.raises(BudgetExceeded, match="cost"):
        PydanticAITactic(make_served()).run("x", usage_limits=UsageLimits(cost_limit=Decimal("0.0001")))


def nested(limits, inner_limits=None):
    """Return a tactic whose agent asks another agent in a tool, twice."""
    inner = PydanticAITactic(
        Agent(ScriptedModel(custom_output_text="inner"), name="inner"), usage_limits=inner_limits
    )
    outer = Agent(ScriptedModel(custom_output_text="outer"), name="outer")

    @outer.tool_plain
    async def first() -> str:
        return await inner.arun("q")

    @outer.tool_plain
    def second() -> str:
        return inner.run("q")

    return PydanticAITactic(outer, usage_limits=limits)


def test_limits_hold_for_everything_below():
    """Two requests of the outer agent and one of each inner run: four in all."""
    session = nested(UsageLimits(request_limit=4)).run("x", return_session=True)
    assert session.llm_call_count == 4
    with pytest.raises(BudgetExceeded):
        nested(UsageLimits(request_limit=3)).run("x")


def test_limits_of_an_inner_run_are_its_own():
    """They count from zero for each of its runs; what it used counts outside all the same."""
    assert nested(UsageLimits(request_limit=4), UsageLimits(request_limit=1)).run("x") == "outer"
    with pytest.raises(BudgetExceeded):
        nested(UsageLimits(request_limit=3), UsageLimits(request_limit=1)).run("x")


def test_usage_that_is_handed_in_is_added_to(talker):
    """As with the library: it is where the run begins, and what it used is added; the session has the run alone."""
    shared = RunUsage(requests=2, input_tokens=5)
    tactic = PydanticAITactic(talker)
    session = tactic.run("x", usage=shared, return_session=True)
    assert shared.requests == 3
    assert only_trace(session, "talker").calls == 1
    with pytest.raises(BudgetExceeded):
        tactic.run("x", usage=shared, usage_limits=UsageLimits(request_limit=3))


def test_usage_of_the_run_around_may_be_handed_on(talker):
    """`usage=ctx.usage`, the library's way for agents in tools, counts nothing twice."""
    inner = PydanticAITactic(talker)
    outer = Agent(ScriptedModel(custom_output_text="outer"), name="outer")
    totals = []

    @outer.tool
    async def ask(ctx: RunContext[object]) -> str:
        said = await inner.arun("q", usage=ctx.usage)
        totals.append(ctx.usage.requests)
        return said

    session = PydanticAITactic(outer).run("x", return_session=True)
    assert totals == [2]
    assert only_trace(session, "outer").calls == 2
    assert session.llm_call_count == 3


def test_concurrent_runs_below_one_are_told_apart():
    """Many at once, each recorded with its own single request."""
    inner = PydanticAITactic(Agent(ScriptedModel(custom_output_text="inner"), name="inner"), name="inner")
    outer = Agent(ScriptedModel(custom_output_text="outer"), name="outer")

    @outer.tool_plain
    async def fan_out() -> int:
        return len(await asyncio.gather(*(inner.arun("q") for _ in range(10))))

    session = PydanticAITactic(outer).run("x", return_session=True)
    below = session.sub_tactic_sessions["inner"]
    assert [only_trace(child, "inner").calls for child in below] == [1] * 10
    assert only_trace(session, "outer").calls == 2

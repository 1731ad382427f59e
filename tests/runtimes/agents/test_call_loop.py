"""The call loop: repairs, tools, limits, cancellation and budgets."""

import asyncio
import threading
import time

import pytest
from pydantic import BaseModel

from lllm import AgentCallSession, BudgetExceeded, CallContext, DeadlineExceeded, Tactic
from lllm_runtime_agents import AgentException, FunctionCall, InvokerError, Prompt, Roles, tool


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def use(name="add", **arguments):
    return {"name": name, "arguments": arguments or {"a": 1, "b": 2}}


def roles(agent):
    return [message.role.value for message in agent.current_dialog.messages]


@pytest.fixture(params=["sync", "async"])
def respond(request):
    """A function that lets an agent respond, driven both ways."""

    def run(agent, **options):
        if request.param == "sync":
            return agent.respond(**options)
        return asyncio.run(agent.arespond(**options))

    return run


def test_a_bad_reply_is_repaired(make_agent, respond):
    """The model is told what was wrong; the dialog keeps only the good reply."""
    agent = make_agent({"error": "no tags"}, "<a>1</a>")
    session = respond(agent, return_session=True)
    assert isinstance(session, AgentCallSession)
    assert session.state == "success"
    assert session.delivery.content == "<a>1</a>"
    assert session.exception_retries_count == 1
    assert session.exception_retries == {0: ["no tags"]}
    assert len(session.invoke_traces[0]) == 2
    repair = agent.llm_invoker.seen[1]["messages"]
    assert [m.content for m in repair[1:]] == ["no tags", "Error: no tags. Please fix."]
    assert (repair[-1].role, repair[-1].name) == (Roles.USER, "exception")
    assert roles(agent) == ["system", "assistant"]


def test_repairs_are_limited(make_agent, respond):
    """After the last one the error is raised; the dialog is as it was, and all tries are paid."""
    agent = make_agent(*[{"error": f"bad {n}"} for n in range(9)], max_exception_retry=2)
    agent.receive("go")
    with pytest.raises(AgentException, match="bad 2") as caught:
        respond(agent)
    session = caught.value.agent_session
    assert session.state == "failure"
    assert session.cost.cost == pytest.approx(0.03)
    assert session.error == "AgentException: bad 2"
    assert roles(agent) == ["system", "user"]
    assert len(agent.llm_invoker.seen) == 3


def test_the_budget_for_repairs_is_per_response(make_agent, respond):
    """Repairs before and after tools count together; the next response begins anew."""
    agent = make_agent(
        {"error": "1"},
        [use()],
        {"error": "2"},
        "done",
        {"error": "3"},
        "again",
        tools=[add],
        max_exception_retry=2,
    )
    assert respond(agent).content == "done"
    assert respond(agent).content == "again"


def test_the_repair_keeps_the_prompts_format(make_agent, respond):
    """The second reply is checked like the first one."""

    class Answer(BaseModel):
        x: int

    agent = make_agent('{"x": "no"}', "not json", '{"x": 3}')
    agent.receive_prompt(Prompt(path="ask", prompt="Which x?", format=Answer))
    assert respond(agent).parsed == {"raw": '{"x": 3}', "value": Answer(x=3)}
    assert "x: Input should be a valid integer" in agent.llm_invoker.seen[1]["messages"][-1].content


def test_a_parser_may_raise_anything(make_agent, respond):
    """Whatever a parser raises is told to the model."""

    def parse(content, **args):
        return {"number": 10 // len(content), **args}

    agent = make_agent("", "12", prompt=Prompt(path="p", prompt="x", parser=parse))
    message = respond(agent, parser_args={"extra": 1})
    assert message.parsed == {"raw": "12", "number": 5, "extra": 1}
    assert "ZeroDivisionError" not in message.content


def test_tools_are_run_and_answered(make_agent, respond):
    """The canonical order is call, result, answer; the id joins call and result."""
    agent = make_agent([{**use(), "id": "c1"}], "three", tools=[add])
    agent.receive("1 + 2?")
    session = respond(agent, return_session=True)
    assert session.delivery.content == "three"
    assert roles(agent) == ["system", "user", "tool_call", "tool", "assistant"]
    result = agent.current_dialog.messages[3]
    assert (result.name, result.metadata["tool_call_id"]) == ("add", "c1")
    assert result.content.startswith(
        "Return of calling function add with arguments {'a': 1, 'b': 2}:\n---\n3\n"
    )
    assert session.interrupts[0][0][0].result == 3
    assert [seen["tools"] for seen in agent.llm_invoker.seen] == [["add"], ["add"]]
    assert agent.current_dialog.top_prompt is agent.system_prompt


def test_several_calls_in_one_turn_are_answered_in_order(make_agent, respond):
    """Each call has its result, in the order in which they were asked for."""
    calls = [use(a=1, b=1), use("nope"), use(a=2, b=2)]
    agent = make_agent(calls, "done", tools=[add])
    respond(agent)
    results = [m.content for m in agent.current_dialog.messages if m.role is Roles.TOOL]
    assert "\n2\n" in results[0]
    assert results[1] == "Error: unknown tool 'nope'. Available: ['add']"
    assert "\n4\n" in results[2]


def test_an_identical_call_is_not_run_again(make_agent, respond):
    """It is answered with a hint, in the same turn and in later ones."""
    count = []

    @tool
    def look(q: str) -> str:
        count.append(q)
        return "seen"

    agent = make_agent(
        [use("look", q="x"), use("look", q="x")], [use("look", q="x")], [use("look", q="y")], "ok"
    )
    agent.tools = [look]
    respond(agent)
    assert count == ["x", "y"]
    hints = [m.content for m in agent.current_dialog.messages if m.role is Roles.TOOL][1:3]
    for hint in hints:
        assert "with identical arguments" in hint
        assert "has been called earlier" in hint


def test_a_failing_tool_is_told_to_the_model(make_agent, respond):
    """The loop goes on."""

    @tool
    def broken(q: str) -> str:
        raise RuntimeError("out of order")

    agent = make_agent([use("broken", q="x")], "sorry", tools=[broken])
    assert respond(agent).content == "sorry"
    assert agent.current_dialog.messages[2].content == "Error: out of order"


def test_the_last_step_offers_no_tools(make_agent, respond):
    """A notice says so; the answer ends the call, and the next response has the tools back."""
    agent = make_agent([use(a=1, b=1)], [use(a=2, b=2)], "enough", "next", tools=[add], max_interrupt_steps=2)
    assert respond(agent).content == "enough"
    assert [seen["tools"] for seen in agent.llm_invoker.seen] == [["add"], ["add"], []]
    notice = agent.current_dialog.messages[-2]
    assert notice.role is Roles.USER
    assert notice.content == "You are reaching the limit of tool calls. Provide the final response."
    respond(agent)
    assert agent.llm_invoker.seen[-1]["tools"] == ["add"]


def test_a_call_after_the_notice_is_answered_and_ends_the_response(make_agent, respond):
    """No call is left without an answer, and the error says what happened."""
    agent = make_agent([use(a=1, b=1)], [use(a=2, b=2)], tools=[add], max_interrupt_steps=1)
    with pytest.raises(ValueError, match=r"^Failed to call the agent") as caught:
        respond(agent)
    assert caught.value.agent_session.state == "failure"
    assert roles(agent) == ["system", "tool_call", "tool", "user", "tool_call", "tool"]
    assert agent.current_dialog.tail.content == "Error: unknown tool 'add'. Available: []"


def test_no_limit_means_a_hundred_steps(make_agent):
    """Tools are not withdrawn before the cap, and the cap holds."""
    agent = make_agent(*[[use(a=n, b=0)] for n in range(120)], tools=[add], max_interrupt_steps=0)
    with pytest.raises(ValueError, match="100 steps"):
        agent.respond()
    seen = agent.llm_invoker.seen
    assert len(seen) == 101
    assert [record["tools"] for record in seen] == [["add"]] * 100 + [[]]


def test_many_steps_end_well_without_a_limit(make_agent):
    """Far more steps than the usual limit are fine."""
    agent = make_agent(*[[use(a=n, b=0)] for n in range(30)], "done", tools=[add], max_interrupt_steps=0)
    assert agent.respond().content == "done"


def test_malformed_tool_arguments_are_repaired(make_agent, respond):
    """The bad call is told back as text, so no provider sees a call without an answer."""
    from lllm_runtime_agents import BaseInvoker, InvokeResult, Message

    class Garbled(BaseInvoker):
        def __init__(self):
            super().__init__()
            self.views = []

        def call(self, dialog, model, **rest):
            self.views.append(dialog.messages.copy())
            if len(self.views) == 1:
                asked = Message(
                    role="tool_call", content="", name="x", function_calls=[FunctionCall(id="1", name="add")]
                )
                return InvokeResult(message=asked, execution_errors=["Arguments of tool 'add' are not JSON"])
            return InvokeResult(message=Message(role="assistant", content="ok", name="x"))

    invoker = Garbled()
    agent = make_agent(invoker=invoker, tools=[add])
    assert respond(agent).content == "ok"
    told = invoker.views[1][-2]
    assert told.role is Roles.ASSISTANT
    assert not told.is_function_call
    assert told.content.startswith("Calling function: add")


def test_an_invoker_without_a_message_is_a_bad_reply(make_agent, respond):
    """An empty result is repaired like any other bad reply."""
    from lllm_runtime_agents import BaseInvoker, InvokeResult

    class Silent(BaseInvoker):
        def call(self, dialog, model, **rest):
            return InvokeResult()

    with pytest.raises(AgentException, match="returned no message"):
        respond(make_agent(invoker=Silent()))


def test_provider_errors_are_recalled_within_their_limit(make_agent, respond, monkeypatch):
    """Each repeat is recorded; beyond the limit the error is raised as it is."""
    monkeypatch.setattr("lllm_runtime_agents.call_loop._RECALL_WAIT", 0.0)
    agent = make_agent(InvokerError(500, "down"), "up", InvokerError(500, "down"), max_llm_recall=1)
    session = respond(agent, return_session=True)
    assert session.llm_recalls == {0: ["InvokerError: HTTP 500: down"]}
    agent.max_llm_recall = 0
    with pytest.raises(InvokerError, match="down") as caught:
        respond(agent)
    assert caught.value.agent_session.llm_recalls_count == 0


def test_keys_in_provider_errors_are_masked_in_the_record(make_agent, monkeypatch):
    """What is stored of an error does not repeat a key."""
    monkeypatch.setattr("lllm_runtime_agents.call_loop._RECALL_WAIT", 0.0)
    agent = make_agent(RuntimeError("bad key sk-verysecretverysecret99"), "ok", max_llm_recall=1)
    session = agent.respond(return_session=True, args={"api_key": "sk-other"})
    assert "secret" not in str(session.llm_recalls)
    assert session.traces[0].model_args == {"api_key": "***"}


def test_tools_of_one_turn_run_side_by_side(make_agent, respond):
    """With `parallel_tools` they overlap; the results stand in the order of the calls."""
    together = threading.Barrier(3, timeout=5)

    @tool
    def meet(who: str) -> str:
        together.wait()
        return who

    agent = make_agent([use("meet", who=name) for name in "abc"], "met", tools=[meet], parallel_tools=True)
    respond(agent)
    results = [m.content for m in agent.current_dialog.messages if m.role is Roles.TOOL]
    assert ["\na\n" in results[0], "\nb\n" in results[1], "\nc\n" in results[2]] == [True] * 3


def test_tools_of_the_agent_are_offered_with_every_prompt(make_agent):
    """A prompt's own tool of the same name wins."""

    @tool(name="add")
    def other(a: int, b: int) -> int:
        """Not the agent's."""
        return 0

    agent = make_agent("1", "2", tools=[add])
    agent.receive_prompt(Prompt(path="p", prompt="x"))
    agent.respond()
    agent.receive_prompt(Prompt(path="q", prompt="x", function_list=[other]))
    agent.respond()
    assert [seen["tools"] for seen in agent.llm_invoker.seen] == [["add"], ["add"]]


class Loop(Tactic, register=False):
    name = "loop"
    agent_group = ["writer"]

    def call(self, task, **kwargs):
        writer = self.agents["writer"]
        writer.open("x")
        for _ in range(task):
            writer.respond()
        return writer.current_dialog.tail.content


def test_a_budget_ends_the_session(group_config):
    """The next model call is refused once the session has spent its limit."""
    config = group_config("writer")
    config["max_cost_usd"] = 0.03
    with pytest.raises(BudgetExceeded, match="max_cost_usd") as caught:
        Loop(config).run(9)
    assert caught.value.session.total_cost.cost == pytest.approx(0.03)
    assert Loop(config).run(2).startswith("echo:")


class Twice(Tactic, register=False):
    """Has all its work done by a part, whose own config knows no limit."""

    name = "twice"
    agent_group = []

    def __init__(self, config, part, **kwargs):
        super().__init__(config, **kwargs)
        self.part = part

    def call(self, task, **kwargs):
        return [self.part(task), self.part(task)]


def test_a_budget_bounds_the_parts_too(group_config):
    """What the calls below have spent counts, and they are stopped as well."""
    tactic = Twice({**group_config(), "max_cost_usd": 0.03}, Loop(group_config("writer")))
    with pytest.raises(BudgetExceeded) as caught:
        tactic.run(2)
    assert caught.value.session.total_cost.cost == pytest.approx(0.03)
    assert len(tactic.run(1)) == 2


def test_the_agent_limits_the_time_of_its_tools(make_agent):
    """The model is told, and may go on."""
    release = threading.Event()

    @tool
    def slow() -> str:
        """Take long."""
        release.wait(60)
        return "late"

    agent = make_agent([{"name": "slow", "arguments": {}}], "sorry", tools=[slow], tool_timeout=0.05)
    agent.receive("x")
    try:
        session = agent.respond(return_session=True)
    finally:
        release.set()
    assert session.delivery.content == "sorry"
    assert session.interrupts[0][0][0].result_str == "Error: tool 'slow' took longer than 0.05 s"


def test_a_parser_that_exits_or_has_no_words_is_a_bad_reply(make_agent):
    """The model is told to repair its reply, and nothing ends."""

    class Mute(Exception):
        def __str__(self):
            raise ValueError("no text")

    raised = iter([SystemExit(3), Mute()])

    def parse(content, **kwargs):
        for error in raised:
            raise error
        return {"fine": content}

    agent = make_agent("one", "two", "three")
    agent.receive_prompt(Prompt(path="q", prompt="x", parser=parse))
    session = agent.respond(return_session=True)
    assert session.delivery.parsed == {"raw": "three", "fine": "three"}
    assert session.exception_retries == {
        0: ["The parser raised SystemExit: 3", "<no text: __str__ raised ValueError>"]
    }


def test_a_cancelled_call_makes_no_further_model_calls(group_config):
    """The loop looks at the context before each one."""
    context = CallContext()
    config = group_config("writer", script=[lambda *_: context.cancel() or "one", "two"])
    tactic = Loop(config)
    with pytest.raises(asyncio.CancelledError) as caught:
        tactic.run(5, context=context)
    assert caught.value.session.state == "failure"
    assert len(tactic.llm_invoker.seen) == 1


def test_a_cancelled_call_runs_no_further_tools(group_config):
    """The loop looks at the context before each tool, too."""
    context = CallContext()
    ran = []

    @tool
    def stop(n: int) -> str:
        ran.append(n)
        context.cancel()
        return "x"

    config = group_config("writer", script=[[use("stop", n=1), use("stop", n=2)]])
    config["global"]["tools"] = [stop]
    with pytest.raises(asyncio.CancelledError):
        Loop(config).run(1, context=context)
    assert ran == [1]


def test_a_passed_deadline_stops_the_loop(group_config):
    """Work for which nobody waits any more is not begun."""
    config = group_config("writer", delay=0.05)
    context = CallContext().limit(0.12)
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        Loop(config).run(50, context=context)
    assert time.monotonic() - begun < 1.5


def test_cancelling_an_awaited_response_ends_its_session(make_agent):
    """The record is a failure, and the dialog has no half reply."""
    agent = make_agent(config={"delay": 5})

    async def run():
        task = asyncio.create_task(agent.arespond())
        await asyncio.sleep(0.05)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return error.agent_session

    assert asyncio.run(run()).state == "failure"
    assert roles(agent) == ["system"]


def test_long_chats_take_linear_memory(make_agent):
    """A session keeps one message for each reply, not the dialog around it."""
    agent = make_agent()
    sessions = []
    for number in range(50):
        agent.receive(f"m{number}")
        sessions.append(agent.respond(return_session=True))
    for session in sessions:
        assert len(session.traces) == 1
        assert len(session.model_dump_json()) < 3000

"""Agent groups: construction, isolation, failures, and cost that folds into every parent."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest
from pydantic import BaseModel

from lllm import (
    CallContext,
    SchemaError,
    Tactic,
    TacticCallSession,
    TacticUnsupportedError,
    as_tactic,
    build_tactic,
    current_session,
    register_tactic_class,
)
from lllm_runtime_agents import Agent, AgentException, Message, Roles, tool


class Researcher(Tactic, register=False):
    name = "researcher"
    agent_group = ["finder", "synthesizer"]

    def call(self, task, **kwargs):
        for name in self.agent_group:
            agent = self.agents[name]
            agent.open("x")
            agent.receive(str(task))
            task = agent.respond().content
        return task


class Pipeline(Tactic, register=False):
    name = "pipeline"
    agent_group = ["coordinator"]

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.researcher = Researcher(config)

    def ask(self, text):
        coordinator = self.agents["coordinator"]
        coordinator.open("plan")
        coordinator.receive(text)
        return coordinator.respond().content

    def call(self, task, **kwargs):
        return self.ask(self.researcher(task))


@pytest.fixture
def config(group_config):
    """A config for the pipeline and its child; each call costs a cent."""
    return group_config("finder", "synthesizer", "coordinator")


def check_folded(session):
    assert session.agent_call_count == 1
    assert session.sub_tactic_call_count == 1
    assert session.total_cost.cost == pytest.approx(0.03)
    assert session.sub_tactic_sessions["researcher"][0].agent_call_count == 2
    assert session.total_agent_call_count == 3
    assert session.llm_call_count == 3
    assert session.unpriced_calls == 0


def test_costs_fold_through_plain_calls(config):
    """Two calls of the child and one of the parent."""
    check_folded(Pipeline(config)("x", return_session=True))


def test_costs_fold_through_awaited_calls(config):
    """The same through `acall`, whose work runs in a thread."""
    check_folded(asyncio.run(Pipeline(config).acall("x", return_session=True)))


def test_costs_fold_through_awaited_children(config):
    """And when parent and child both await."""

    class Awaiting(Pipeline, register=False):
        async def call(self, task, **kwargs):
            facts = await self.researcher.acall(task)
            coordinator = self.agents["coordinator"]
            coordinator.open("plan")
            coordinator.receive(facts)
            return (await coordinator.arespond()).content

    tactic = Awaiting(config)
    check_folded(asyncio.run(tactic.acall("x", return_session=True)))
    check_folded(tactic("x", return_session=True))


def test_costs_fold_through_batches_inside_of_a_call(config):
    """Every task of the batch is a child."""

    class Batch(Pipeline, register=False):
        def call(self, task, **kwargs):
            return self.ask(" ".join(self.researcher.bcall(["a", "b", "c"], max_workers=3)))

    session = Batch(config)("x", return_session=True)
    assert session.total_cost.cost == pytest.approx(0.07)
    assert len(session.sub_tactic_sessions["researcher"]) == 3


def test_costs_fold_from_threads_that_the_user_starts(config):
    """A pool and a bare thread reach the parent through the bound copy."""

    class Threads(Pipeline, register=False):
        def call(self, task, **kwargs):
            with ThreadPoolExecutor(2) as pool:
                facts = list(pool.map(self.researcher, ["a"]))
            thread = Thread(target=self.ask, args=(facts[0],))
            thread.start()
            thread.join()
            return "done"

    check_folded(Threads(config)("x", return_session=True))


def test_a_failing_child_is_paid_for(config):
    """Its first call was paid, and the parent that goes on knows."""

    class Careful(Pipeline, register=False):
        def call(self, task, **kwargs):
            try:
                self.researcher(task)
            except RuntimeError:
                return self.ask("alone")

    config["invoker_config"]["replies"] = {"synthesizer": [RuntimeError("down")]}
    session = Careful(config)("x", return_session=True)
    assert session.state == "success"
    assert session.total_cost.cost == pytest.approx(0.02)
    child = session.sub_tactic_sessions["researcher"][0]
    assert (child.state, child.error) == ("failure", "RuntimeError: down")
    assert child.agent_call_count == 2


def test_tools_that_are_tactics_fold_in(config):
    """A tactic reached through a tool is recorded under its own name."""
    from lllm_runtime_agents import tactic_as_function

    researcher = Researcher({**config, "invoker_config": {}})

    class Boss(Tactic, register=False):
        name = "boss"
        agent_group = ["coordinator"]

        def call(self, task, **kwargs):
            coordinator = self.agents["coordinator"]
            coordinator.open("x")
            return coordinator.respond().content

    config["invoker_config"]["script"] = [[{"name": "researcher", "arguments": {"task": "t"}}], "done"]
    config["global"]["tools"] = [tactic_as_function(researcher)]
    for session in (
        Boss(config)("x", return_session=True),
        asyncio.run(Boss(config).acall("x", return_session=True)),
    ):
        assert session.delivery == "done"
        assert session.agent_call_count == 1
        assert session.sub_tactic_sessions["researcher"][0].agent_call_count == 2
        assert session.total_cost.cost == pytest.approx(0.04)


def test_agents_made_by_hand_are_paid_by_the_running_call(config, make_agent):
    """An agent outside of the group counts where it is used."""

    class Typed(Tactic[str, str], register=False):
        name = "typed"

        def _run(self, input_value, *, context=None):
            agent = make_agent("reply")
            agent.receive(input_value)
            return agent.respond().content

    session = Typed().run("x", return_session=True)
    assert session.agent_sessions["tester"][0].cost.cost == 0.01


def test_the_running_session_can_be_read(config):
    """From inside of a call; outside there is none."""
    seen = []

    class Looking(Pipeline, register=False):
        def call(self, task, **kwargs):
            seen.append(current_session())
            return "x"

    session = Looking(config)("x", return_session=True)
    assert seen == [session]
    assert current_session() is None


def test_a_failure_keeps_its_type_and_carries_its_session(config):
    """So does one that happens below; the exception's session is that of the outermost call."""
    config["invoker_config"]["replies"] = {"synthesizer": [{"error": "bad"}] * 9}
    tactic = Pipeline(config)
    with pytest.raises(AgentException, match="bad") as caught:
        tactic("x")
    session = caught.value.session
    assert isinstance(session, TacticCallSession)
    assert (session.tactic_name, session.state) == ("pipeline", "failure")
    assert session.error == "AgentException: bad"
    assert "Traceback" in session.error_traceback
    assert session.total_cost.cost == pytest.approx(0.05)
    with pytest.raises(AgentException):
        Pipeline(config)("x", return_session=True)


def test_a_failed_session_can_be_returned(config):
    """`always` asks for it."""
    config["invoker_config"]["replies"] = {"finder": [KeyError("gone")]}
    session = Pipeline(config)("x", return_session="always")
    assert (session.state, session.error) == ("failure", "KeyError: 'gone'")


def test_building_the_agents_is_inside_of_the_call(config):
    """What goes wrong there is a failure with a session, too."""
    tactic = Researcher(config)
    tactic._agent_patterns["finder"] = None
    with pytest.raises(AttributeError) as caught:
        tactic("x")
    assert caught.value.session.state == "failure"


def test_interrupts_are_failures_too(config):
    """A keyboard interrupt leaves a failed session behind."""

    class Stopped(Researcher, register=False):
        def call(self, task, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        Stopped(config)("x")
    assert caught.value.session.state == "failure"


def test_labels_reach_the_session_and_not_the_call(config):
    """Name, tags and metadata are taken out; everything else is passed on."""
    received = {}

    class Noting(Researcher, register=False):
        def call(self, task, **kwargs):
            received.update(kwargs)
            return task

    session = Noting(config)(
        "x", session_name="mine", tags={"a": 1}, metadata={"b": 2}, return_session=True, depth=3
    )
    assert received == {"depth": 3}
    assert (session.session_name, session.tags, session.metadata) == ("mine", {"a": 1}, {"b": 2})
    assert session.task == "x"


def test_any_task_is_accepted(config):
    """Numbers, maps and models reach `call` as they are."""

    class Order(BaseModel):
        item: str

    class Passing(Researcher, register=False):
        def call(self, task):
            return task

    tactic = Passing(config)
    for task in (3, {"a": 1}, Order(item="x"), None):
        assert tactic(task) is task


def test_a_nameless_tactic_is_called_by_its_class(config):
    """The class name stands in."""

    class Nameless(Tactic):
        agent_group = ["finder"]

        def call(self, task):
            return task

    session = Nameless(config)("x", return_session=True)
    assert (session.tactic_name, session.tactic_path) == ("Nameless", "Nameless")


def test_calls_do_not_share_agents_or_attributes(config):
    """The same alias may be open in many calls; what a call sets on itself vanishes."""

    class Counting(Researcher, register=False):
        count = 0

        def call(self, task, **kwargs):
            self.count += 1
            self.agents["finder"].open("same")
            return self.count

    tactic = Counting(config)
    assert tactic.bcall(range(50), max_workers=8) == [1] * 50
    assert tactic.count == 0
    assert tactic.agents == {}


def test_agents_of_a_call_are_agents(config):
    """What tactics get are real agents with everything that belongs to them."""

    class Looking(Researcher, register=False):
        def call(self, task, **kwargs):
            finder = self.agents["finder"]
            assert isinstance(finder, Agent)
            assert repr(finder) == "Agent(name='finder', model='test-model', dialogs=[])"
            finder.model_args["temperature"] = 1
            finder.note = "mine"
            assert finder.open("a").fork("a", "b").switch("a") is finder
            return (finder.note, dict(finder.model_args), list(finder.dialogs))

    tactic = Looking(config)
    assert tactic("x") == ("mine", {"temperature": 1}, ["a", "b"])
    assert "temperature" not in tactic._agent_patterns["finder"].model_args


def test_typed_agent_groups_validate_both_sides(config):
    """Input and output models work on `call`, and `run` is the same as calling."""

    class Question(BaseModel):
        text: str

    class Answer(BaseModel):
        text: str

    class Typed(Researcher, register=False):
        input_type = Question
        output_type = Answer

        def call(self, task, **kwargs):
            assert isinstance(task, Question)
            return {"text": task.text} if task.text != "bad" else 3

    tactic = Typed(config)
    assert tactic({"text": "a"}) == tactic.run({"text": "a"}) == Answer(text="a")
    assert asyncio.run(tactic.arun({"text": "a"})) == Answer(text="a")
    assert tactic.info().input_schema["title"] == "Question"
    with pytest.raises(SchemaError):
        tactic({"wrong": 1})
    with pytest.raises(SchemaError):
        tactic({"text": "bad"})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"agent_configs": []}, ValueError, "Agent 'finder' required by tactic 'researcher' not found"),
        ({"invoker": "nobody"}, KeyError, "Invoker 'nobody' not registered"),
        ({"global": {}}, ValueError, "missing required 'model_name'"),
    ],
)
def test_construction_checks_the_config(config, change, error, message):
    """Before anything is called."""
    with pytest.raises(error, match=message):
        Researcher({**config, **change})


def test_a_missing_prompt_is_found_at_construction(config):
    """Not at the first call."""
    config["agent_configs"][0] = {"name": "finder", "system_prompt_path": "nowhere/at/all"}
    with pytest.raises(KeyError):
        Researcher(config)


def test_a_class_with_call_needs_a_group():
    """None is a mistake; an empty group is legal."""

    class Groupless(Tactic):
        def call(self, task):
            return task

    class Alone(Tactic):
        agent_group = []

        def call(self, task):
            return task * 2

    with pytest.raises(AssertionError, match="agent_group not set for tactic"):
        Groupless({})
    assert Alone()(2) == 4
    assert Alone({})(2) == 4
    with pytest.raises(TypeError, match="config must be a mapping"):
        Alone("default")


def test_a_config_for_a_typed_tactic_is_refused(config):
    """It would not be read."""

    class Typed(Tactic[str, str], register=False):
        def _run(self, input_value, *, context=None):
            return input_value

    with pytest.raises(TypeError, match="config"):
        Typed(config)


def test_a_group_without_call_cannot_be_called(config):
    """The error says so."""

    class Base(Tactic, register=False):
        agent_group = ["finder"]

    with pytest.raises(TacticUnsupportedError, match="Base does not implement"):
        Base(config)("x")


def test_the_config_is_copied(config):
    """Later changes on either side stay there; parent and child may share one."""
    before = json.dumps(config)
    tactic = Pipeline(config)
    tactic.config["global"]["model_name"] = "other"
    tactic.config["agent_configs"].clear()
    assert json.dumps(config) == before
    assert tactic.researcher.config["global"]["model_name"] == "test-model"


def test_tactics_are_built_by_name(config):
    """From the argument or the config; the constructor's other arguments go through."""
    register_tactic_class(Researcher)
    assert isinstance(build_tactic(config, name="researcher"), Researcher)
    tactic = build_tactic({**config, "tactic_type": "researcher"}, tactic_path="pkg::researcher")
    assert tactic("x", return_session=True).tactic_path == "pkg::researcher"
    with pytest.raises(ValueError, match="Invalid tactic name"):
        build_tactic(config)
    with pytest.raises(KeyError, match="researcher"):
        build_tactic(config, name="reseacher")


def test_agent_group_classes_are_adapted_with_their_config(config):
    """`as_tactic` constructs the class."""
    assert as_tactic(Researcher, config=config).run("x").startswith("echo:")


def test_contexts_reach_calls_that_name_them(config):
    """Only those."""

    class Contextual(Researcher, register=False):
        def call(self, task, *, context=None, **kwargs):
            return context.request_id

    assert Contextual(config).run("x", context=CallContext(request_id="r1")) == "r1"


def test_sessions_survive_a_round_trip(config):
    """Tool calls, retries and children, with integer steps in memory and messages as messages."""

    @tool
    def add(a: int, b: int) -> int:
        return a + b

    config["global"]["tools"] = [add]
    config["invoker_config"]["replies"] = {
        "finder": [[{"name": "add", "arguments": {"a": 1, "b": 2}}], {"error": "bad"}, "fine"]
    }
    session = Pipeline(config)("x", tags={"k": "v"}, return_session=True)
    loaded = TacticCallSession.model_validate_json(session.model_dump_json(fallback=str))
    assert loaded.model_dump(mode="json", fallback=str) == session.model_dump(mode="json", fallback=str)
    finder = loaded.sub_tactic_sessions["researcher"][0].agent_sessions["finder"][0]
    assert list(finder.invoke_traces) == [0, 1]
    assert finder.exception_retries == {1: ["bad"]}
    assert finder.interrupts[0][0][0].result == 3
    assert isinstance(finder.delivery, Message)
    assert finder.delivery.role is Roles.ASSISTANT
    assert loaded.total_cost == session.total_cost

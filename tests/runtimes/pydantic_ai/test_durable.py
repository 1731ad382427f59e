"""Agents whose runs a durable execution engine keeps, on every path of a tactic.

The engine is a small one of this module, built on the library's own interface for engines: inside of a workflow it
writes down what each step answered, and a workflow that runs again reads it there.
"""

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import pytest
from pydantic_ai import Agent, CancellationToken
from pydantic_ai.agent import WrapperAgent
from pydantic_ai.durable_exec import (
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    JournalCallableOperationBackend,
    RoleBasedOperationConfig,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import CallContext, DeadlineExceeded, PydanticAITactic, Tactic
from lllm_runtime_pydantic_ai import AgentCancelled

_workflow = ContextVar("workflow", default=None)


class Workflow:
    """What the steps of one workflow answered, in their order."""

    def __init__(self):
        self.journal = []
        self._position = 0

    @contextmanager
    def running(self):
        """Run, or run again."""
        self._position = 0
        token = _workflow.set(self)
        try:
            yield self
        finally:
            _workflow.reset(token)

    async def step(self, name, body):
        """Take a step, or read what it answered before."""
        if self._position == len(self.journal):
            self.journal.append((name, await body()))
        self._position += 1
        recorded, answer = self.journal[self._position - 1]
        assert recorded == name
        return answer


class Steps(JournalCallableOperationBackend):
    """Makes a step of the running workflow out of each operation."""

    async def execute(self, *, operation_id, name, body, cache_key, config):
        return await _workflow.get().step(name, body)


class Durable(BaseDurabilityCapability):
    """The capability that makes an agent durable inside of a workflow."""

    engine_spec = DurabilityEngineSpec(
        engine_name="Journal", durable_unit_noun="step", durable_container_noun="workflow"
    )

    @property
    def in_durable_context(self):
        return _workflow.get() is not None

    def get_default_conversation_id(self, run_id):
        """The same for each repeat; older releases do not ask."""
        return "the workflow" if self.in_durable_context else None

    def get_durable_operation_backend(self):
        config = RoleBasedOperationConfig(model={}, event={}, capability={}, tool={})
        return Steps(agent_name=self.name, config=config)


class DurableAgent(WrapperAgent):
    """An agent of which each run is a workflow, which refuses what the library's own wrappers refuse."""

    def __init__(self, wrapped, workflow):
        super().__init__(wrapped)
        self._workflow = workflow

    async def run(self, user_prompt=None, *, cancellation_token=None, timeout=None, **kwargs):
        if cancellation_token is not None or timeout is not None:
            raise UserError("A workflow is not stopped from outside.")
        with self._workflow.running():
            return await self.wrapped.run(user_prompt, **kwargs)


# The library's own need a service or a database; by its module a wrapper is known to be one of them.
DurableAgent.__module__ = "pydantic_ai.durable_exec.journal"


def never_answering(asked=lambda: None):
    """A model that says that it is asked, and does not answer."""

    async def never(messages, info):
        asked()
        await asyncio.Event().wait()

    return FunctionModel(never)


def make_agent(model=None):
    """An agent with the capability and a tool."""
    agent = Agent(
        model or ScriptedModel(custom_output_text="one two"), name="durable", capabilities=[Durable()]
    )

    @agent.tool_plain
    def look_up(word: str) -> str:
        """Look a word up."""
        return word

    return agent


@pytest.fixture
def workflow():
    """A workflow that has not begun."""
    return Workflow()


async def read(tactic, way):
    """Run a tactic on one of its asynchronous paths and return its output."""
    if way == "arun":
        return await tactic.arun("hello")
    if way == "astream":
        return "".join([chunk async for chunk in tactic.astream("hello")])
    return [event async for event in tactic.aevents("hello")][-1].data


@pytest.mark.parametrize("way", ["arun", "astream", "aevents"])
def test_inside_of_a_workflow_every_step_is_recorded(workflow, way):
    """The steps of the model and of the tool are the engine's; a repeat reads them, and answers the same."""
    tactic = PydanticAITactic(make_agent())
    with workflow.running():
        assert asyncio.run(read(tactic, way)) == "one two"
    kinds = [name.rpartition("__")[2] for name, _ in workflow.journal]
    assert sum(kind.startswith("model.") for kind in kinds) == 2
    assert any("call_tool" in kind for kind in kinds)
    recorded = len(workflow.journal)
    with workflow.running():
        assert asyncio.run(read(tactic, way)) == "one two"
    assert len(workflow.journal) == recorded


def test_a_synchronous_call_inside_of_a_workflow_is_recorded(workflow):
    """It runs on another loop, and in the same workflow."""
    with workflow.running():
        assert PydanticAITactic(make_agent()).run("hello") == "one two"
    assert workflow.journal


def test_outside_of_a_workflow_the_agent_is_like_any_other():
    """It runs without the engine, and a caller that goes ends it."""
    tactic = PydanticAITactic(make_agent())
    assert tactic.run("hello") == "one two"
    context = CallContext()
    with pytest.raises(AgentCancelled):
        PydanticAITactic(make_agent(never_answering(context.cancel))).run("hello", context=context)


def test_the_engine_says_which_conversation_it_is(workflow):
    """A session has another id in each repeat of a workflow."""
    tactic = PydanticAITactic(make_agent(), result_mode="result")
    with workflow.running():
        session = tactic.run("hello", return_session=True)
    said = session.delivery.new_messages()[0].conversation_id
    assert said != session.session_id


def test_a_token_of_the_user_meets_the_refusal_of_the_library(workflow):
    """What the caller asks for is handed on, and refused by who cannot do it."""
    tactic = PydanticAITactic(make_agent())
    with workflow.running(), pytest.raises(UserError, match="cancellation_token"):
        tactic.run("hello", cancellation_token=CancellationToken())


@pytest.mark.parametrize("way", ["run", "arun", "class"])
def test_an_agent_in_an_engines_wrapper(workflow, way):
    """Each run is a workflow; nothing is handed to it that the wrapper refuses."""
    wrapped = DurableAgent(make_agent(), workflow)

    class Durably(Tactic[str, str], register=False):
        agent = wrapped

    tactic = Durably() if way == "class" else PydanticAITactic(wrapped)
    run = (lambda: asyncio.run(tactic.arun("hello"))) if way == "arun" else partial(tactic.run, "hello")
    assert run() == "one two"
    assert workflow.journal
    recorded = len(workflow.journal)
    assert run() == "one two"
    assert len(workflow.journal) == recorded


def test_a_wrapper_around_an_engines_wrapper_is_looked_through(workflow):
    """It runs the agent inside, and so the workflow."""
    tactic = PydanticAITactic(WrapperAgent(make_agent()))
    with workflow.running():
        assert tactic.run("hello") == "one two"

    class Passing(WrapperAgent):
        async def run(self, *args, **kwargs):
            return await self.wrapped.run(*args, **kwargs)

    assert PydanticAITactic(Passing(DurableAgent(make_agent(), Workflow()))).run("hello") == "one two"


@pytest.mark.parametrize("inside", [True, False])
def test_the_deadline_of_the_caller_holds_for_durable_runs(workflow, inside):
    """The library keeps it where it can, and we where it cannot."""
    agent = make_agent(never_answering())
    tactic = PydanticAITactic(agent if inside else DurableAgent(agent, workflow))
    with workflow.running() if inside else Workflow().running(), pytest.raises(DeadlineExceeded):
        tactic.run("hello", context=CallContext().limit(0.1))


def test_cancelling_the_task_cancels_a_durable_run(workflow):
    """As any coroutine; the workflow has not ended and may go on another time."""

    async def cancel():
        asked = asyncio.Event()
        agent = DurableAgent(make_agent(never_answering(asked.set)), workflow)
        task = asyncio.create_task(PydanticAITactic(agent).arun("hello"))
        await asked.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())
    assert not any("model" in name for name, _ in workflow.journal)

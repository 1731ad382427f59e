"""Tactics, by object or by ref, as the tools of an agent."""

import asyncio

import pytest
from pydantic import BaseModel, Field, RootModel, model_validator
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import CallContext, SchemaError, Tactic, TacticInfo, TacticRefError, TacticResolver, current_call
from lllm_runtime_pydantic_ai import PydanticAITactic, RetriesExhausted, TacticToolset, ToolError

REF = "psi://demo/trips/tactics/plan"


class Place(BaseModel):
    city: str = Field(description="Where to.")


class Trip(BaseModel):
    place: Place
    days: int = 1

    @model_validator(mode="after")
    def _not_too_long(self):
        if self.days > 9:
            raise ValueError("nine days at most")
        return self


class Plan(Tactic[Trip, str], register=False):
    """Plans a trip."""

    name = "plan"

    def __init__(self, **options):
        super().__init__(**options)
        self.seen = []

    async def _arun(self, input_value, *, context=None):
        self.seen.append(context)
        return f"{input_value.days} days in {input_value.place.city}"


def said(agent):
    """Run an agent without a tactic around it and return its output."""
    return asyncio.run(agent.run("x")).output


def offered(agent, model):
    """Return the tools that an agent offers its model, by name."""
    said(agent)
    return {tool.name: tool for tool in model.last_model_request_parameters.function_tools}


def resolver_with(tactic):
    """Return a resolver with one tactic."""
    resolver = TacticResolver()
    resolver.register(REF, tactic)
    return resolver


@pytest.mark.parametrize("mode", ["task", "kwargs"])
def test_the_model_sees_the_schema_of_the_input(mode):
    """With the definitions where its references look for them."""
    model = ScriptedModel()
    tool = offered(Agent(model, toolsets=[TacticToolset([Plan()], parameter_mode=mode)]), model)["plan"]
    schema = tool.parameters_json_schema
    fields = schema["properties"]["task"]["properties"] if mode == "task" else schema["properties"]
    assert fields["days"]["default"] == 1
    assert fields["place"] == {"$ref": "#/$defs/Place"}
    assert schema["$defs"]["Place"]["properties"]["city"]["description"] == "Where to."
    assert tool.description == "Plans a trip."


@pytest.mark.parametrize("mode", ["task", "kwargs"])
def test_the_tool_runs_the_tactic(mode):
    """With what the model gave; the answer goes back to it."""
    agent = Agent(ScriptedModel(), toolsets=[TacticToolset([Plan()], parameter_mode=mode)])
    assert "days in a" in said(agent)


class Chapter(BaseModel):
    title: str
    parts: list["Chapter"] = []


class Marks(RootModel[list[int]]):
    """A list with a name."""


@pytest.mark.parametrize("mode", ["task", "kwargs"])
@pytest.mark.parametrize("schema", [Chapter, Marks, list[int], str, dict[str, int], None])
def test_any_input_can_be_a_tools(schema, mode):
    """A model that contains itself has its fields at the root; what has no fields is one parameter in both modes."""

    class Show(Tactic, register=False):
        name = "show"
        input_type = schema

        def _run(self, input_value, *, context=None):
            return f"got {input_value!r}"

    model = ScriptedModel()
    agent = Agent(model, toolsets=[TacticToolset([Show()], parameter_mode=mode)])
    assert "got" in said(agent)
    (tool,) = model.last_model_request_parameters.function_tools
    fields = set(tool.parameters_json_schema.get("properties", {}))
    if mode == "kwargs" and schema is Chapter:
        assert fields == {"title", "parts"}
    elif mode == "kwargs" and schema in (dict[str, int], None):
        assert fields == set()
    else:
        assert fields == {"task"}


def test_refs_are_resolved_when_the_agent_runs():
    """Not before; the tactic finds the ref in its context."""
    resolver, plan = TacticResolver(), Plan()
    toolset = TacticToolset([REF], resolver=resolver)
    agent = Agent(ScriptedModel(), toolsets=[toolset])
    with pytest.raises(TacticRefError, match="not bound"):
        said(agent)
    resolver.register(REF, plan)
    assert "days in a" in said(agent)
    assert plan.seen[0].tactic_ref == REF


def test_a_whole_resolver_is_a_toolset():
    """Whatever is bound when the agent runs."""
    resolver, model = resolver_with(Plan()), ScriptedModel()
    agent = Agent(model, toolsets=[TacticToolset(resolver=resolver)])
    assert list(offered(agent, model)) == ["plan"]
    resolver.register("psi://demo/trips/tactics/other", Plan(name="other"))
    assert set(offered(agent, model)) == {"plan", "other"}


def test_a_mapping_names_the_tools():
    """Objects and refs alike."""
    model = ScriptedModel()
    toolset = TacticToolset({"near": Plan(), "far": REF}, resolver=resolver_with(Plan()))
    assert set(offered(Agent(model, toolsets=[toolset]), model)) == {"near", "far"}


def test_two_tools_of_one_name_are_refused():
    """The text says how to name them."""
    agent = Agent(ScriptedModel(), toolsets=[TacticToolset([Plan(), Plan()])])
    with pytest.raises(ValueError, match=r"`plan`.*mapping"):
        said(agent)


@pytest.mark.parametrize(
    ("tactics", "options", "kind", "text"),
    [
        ([7], {}, TypeError, "tactics or psi:// refs"),
        ([REF], {}, TypeError, "resolver"),
        (None, {}, TypeError, "resolver"),
        (["psi://broken"], {"resolver": TacticResolver()}, TacticRefError, "shape"),
        ({" a": Plan()}, {}, ValueError, "tool name"),
        ([Plan()], {"parameter_mode": "all"}, ValueError, "parameter_mode"),
    ],
)
def test_arguments_are_checked_at_once(tactics, options, kind, text):
    """What is malformed is refused by the constructor."""
    with pytest.raises(kind, match=text):
        TacticToolset(tactics, **options)


def asking(*arguments):
    """Return an agent that calls the tool `plan` with each of `arguments` in turn, then says what it heard last."""

    def answer(messages, info):
        turn = sum(isinstance(message, ModelResponse) for message in messages)
        if turn < len(arguments):
            return ModelResponse([ToolCallPart("plan", arguments[turn])])
        return ModelResponse([TextPart(str(messages[-1].parts[0].content))])

    return Agent(FunctionModel(answer), toolsets=[TacticToolset([Plan()], parameter_mode="kwargs")])


def test_bad_arguments_go_back_to_the_model():
    """It reads what was wrong and may try again; a rule of the model counts as well as a type."""
    good = {"place": {"city": "Ulm"}, "days": 2}
    assert said(asking({"place": {"city": "Ulm"}, "days": 10}, good)) == "2 days in Ulm"
    assert said(asking({"place": "Ulm"}, good)) == "2 days in Ulm"
    assert said(asking("{broken", good)) == "2 days in Ulm"
    with pytest.raises(RetriesExhausted):
        PydanticAITactic(asking({}, {}, {})).run("x")


def test_max_retries_limits_the_corrections():
    """For this toolset alone."""
    agent = Agent(ScriptedModel(), toolsets=[TacticToolset([Plan()], max_retries=4)])
    assert said(agent)
    toolset = TacticToolset([Plan()], max_retries=0, id="trips")
    assert toolset.id == "trips"


def test_bad_output_is_a_failure():
    """The model cannot mend it."""

    class Bad(Plan, register=False):
        async def _arun(self, input_value, *, context=None):
            return ["no text"]

    agent = Agent(ScriptedModel(), toolsets=[TacticToolset([Bad()])])
    with pytest.raises(SchemaError) as caught:
        said(agent)
    assert caught.value.direction == "output"
    with pytest.raises(ToolError, match="`plan`"):
        PydanticAITactic(agent).run("x")


def test_calls_are_part_of_the_session_and_share_the_context():
    """The tactic below is a child call: trace id, deadline and cancellation come from above."""
    plan = Plan()
    tactic = PydanticAITactic(Agent(ScriptedModel(), toolsets=[TacticToolset([plan])]))
    session = tactic.run("x", context=CallContext(trace_id="t").limit(30), return_session=True)
    assert list(session.sub_tactic_sessions) == ["plan"]
    assert plan.seen[0].trace_id == "t"
    assert plan.seen[0].remaining < 30


def test_cancelling_the_agent_cancels_the_tactic():
    """The tools are asynchronous: no thread is left behind."""
    begun, ended = asyncio.Event(), asyncio.Event()

    class Slow(Plan, register=False):
        async def _arun(self, input_value, *, context=None):
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    async def main():
        agent = Agent(ScriptedModel(), toolsets=[TacticToolset([Slow()])])
        task = asyncio.create_task(PydanticAITactic(agent).arun("x"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(main())


def test_a_service_is_asked_once_what_its_input_is():
    """A tactic that can fetch its description is asked before the model is told of it."""
    asked = []

    class Remote(Tactic, register=False):
        """Somewhere else."""

        name = "remote"

        async def afetch_info(self):
            asked.append(current_call())
            schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
            return TacticInfo(name="remote", description="Fetched.", input_schema=schema)

        async def _arun(self, input_value, *, context=None):
            return input_value["city"]

    model = ScriptedModel()
    agent = Agent(model, toolsets=[TacticToolset([Remote()], parameter_mode="kwargs")])
    tool = offered(agent, model)["remote"]
    offered(agent, model)
    assert tool.description == "Fetched."
    assert tool.parameters_json_schema["required"] == ["city"]
    assert len(asked) == 1

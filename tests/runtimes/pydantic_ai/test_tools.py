"""A tactic as a function for any tool API."""

import asyncio
import inspect
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, Field, RootModel
from pydantic_ai import Agent, Tool
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import SchemaError, Tactic, tactic_as_tool
from lllm_runtime_pydantic_ai import PydanticAITactic


class Place(BaseModel):
    city: str


class Question(BaseModel):
    """What is asked."""

    text: str = Field(description="The question itself.")
    place: Place | None = None
    tags: list[str] = Field(default_factory=lambda: ["made"])
    limit: int = Field(default=3, ge=1)
    number: int = Field(default=1, alias="no")
    kind: str = Field(default="a", validation_alias=AliasChoices("kind", "sort"))


class Answer(BaseModel):
    text: str


class Ask(Tactic[Question, Answer], register=False):
    """Answers a question."""

    name = "ask me!"

    def _run(self, input_value, *, context=None):
        return Answer(text=input_value.model_dump_json())


class Untyped(Tactic[Any, Any], register=False):
    name = "untyped"

    def _run(self, input_value, *, context=None):
        return input_value


def said(agent):
    """Run an agent without a tactic around it and return its output."""
    return asyncio.run(agent.run("x")).output


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("ask", "ask"),
        ("ask me!", "ask_me"),
        ("a.b-c", "a_b_c"),
        ("2 fast", "tool_2_fast"),
        ("!!!", "lllm_tool"),
        ("Ärger", "rger"),
    ],
)
def test_the_name_of_the_tactic_becomes_an_identifier(given, made):
    """What is neither letter nor digit becomes `_`; a leading digit and an empty rest are mended."""
    tool = tactic_as_tool(Ask(name=given))
    assert (tool.__name__, tool.__qualname__) == (made, made)


def test_the_text_is_given_or_the_tactics_or_made_up():
    """In this order."""
    assert tactic_as_tool(Ask(), description="Given.").__doc__ == "Given."
    assert tactic_as_tool(Ask()).__doc__ == "Answers a question."
    assert tactic_as_tool(Untyped()).__doc__ == "Run untyped."


@pytest.mark.parametrize("name", ["", " ", " a", "a ", 7, b"a"])
def test_a_malformed_name_is_refused(name):
    """Blank, padded, or no text."""
    with pytest.raises(ValueError, match="tool name must be non-empty"):
        tactic_as_tool(Ask(), name=name)


@pytest.mark.parametrize("mode", ["", "all", None, ["task"]])
def test_an_unknown_mode_is_refused(mode):
    """There are two."""
    with pytest.raises(ValueError, match="parameter_mode must be 'task' or 'kwargs'"):
        tactic_as_tool(Ask(), parameter_mode=mode)


def test_only_tactics_become_tools():
    """Anything else is told how to become one."""
    with pytest.raises(TypeError, match="as_tactic"):
        tactic_as_tool(len)


def test_task_mode_takes_the_input_in_one_parameter():
    """Signature and annotations agree; the output type is what it returns."""
    tool = tactic_as_tool(Ask())
    signature = inspect.signature(tool)
    assert str(signature.parameters["task"].annotation) == str(Question)
    assert tool.__annotations__ == {"task": Question, "return": Answer}
    assert signature.return_annotation is Answer
    assert '"text":"hi"' in tool({"text": "hi"}).text
    assert tool(Question(text="hi")) == tool(task={"text": "hi"})


def test_kwargs_mode_takes_the_fields():
    """Keyword-only, with the types and defaults of the model."""
    tool = tactic_as_tool(Ask(), parameter_mode="kwargs")
    parameters = inspect.signature(tool).parameters
    assert list(parameters) == ["text", "place", "tags", "limit", "number", "kind"]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters.values())
    assert parameters["text"].default is inspect.Parameter.empty
    assert (parameters["place"].default, parameters["limit"].default) == (None, 3)
    assert parameters["tags"].default is not inspect.Parameter.empty
    assert "Undefined" not in str(inspect.signature(tool))
    assert {name: parameters[name].annotation for name in parameters} | {
        "return": Answer
    } == tool.__annotations__


def test_kwargs_are_validated_into_the_model():
    """By field name, aliases or not; a default that a factory makes is made for each call."""
    tool = tactic_as_tool(Ask(), parameter_mode="kwargs")
    question = Question.model_validate_json(tool(text="hi", number=5, place={"city": "Ulm"}).text)
    assert question.text == "hi"
    assert question.place == Place(city="Ulm")
    assert question.tags == ["made"]
    assert '"number":5' in tool(text="hi", number=5).text
    with pytest.raises(SchemaError):
        tool(text="hi", limit=0)


def test_an_input_that_is_no_model_gets_the_kwargs():
    """As a dict."""
    tool = tactic_as_tool(Untyped(), parameter_mode="kwargs")
    assert tool(a=1, b=2) == {"a": 1, "b": 2}
    (parameter,) = inspect.signature(tool).parameters.values()
    assert parameter.kind is inspect.Parameter.VAR_KEYWORD


@pytest.mark.parametrize("mode", ["task", "kwargs"])
def test_the_library_sees_the_real_schema(mode):
    """Registration works in both modes, and the model is told fields, descriptions, defaults and definitions."""
    schema = Tool(tactic_as_tool(Ask(), parameter_mode=mode)).function_schema.json_schema
    assert schema["required"] == ["text"]
    fields = schema["properties"]
    assert fields["text"]["description"] == "The question itself."
    assert (fields["limit"]["default"], fields["limit"]["minimum"]) == (3, 1)
    assert fields["tags"]["type"] == "array"
    assert "default" not in fields["tags"]
    assert schema["$defs"]["Place"]["required"] == ["city"]


@pytest.mark.parametrize("mode", ["task", "kwargs"])
def test_an_agent_uses_it(mode):
    """Synchronously and asynchronously, inside and outside of a tactic."""
    agent = Agent(ScriptedModel(), tools=[tactic_as_tool(Ask(), parameter_mode=mode)])
    assert '\\"text\\":\\"a\\"' in said(agent)
    assert '\\"text\\":\\"a\\"' in asyncio.run(PydanticAITactic(agent).arun("x"))


def test_an_agent_is_a_tool_of_another(briefer, topic_type):
    """Agents behind the boundary are tactics like any other."""
    tool = tactic_as_tool(PydanticAITactic(briefer, input_type=topic_type), parameter_mode="kwargs")
    outer = PydanticAITactic(Agent(ScriptedModel(), tools=[tool]))
    session = outer.run("x", return_session=True)
    assert '"title":"Refs"' in session.delivery
    assert list(session.sub_tactic_sessions) == ["briefer"]


def test_an_output_type_that_is_no_annotation_is_anything():
    """A list of alternatives, as agents may have it."""
    tactic = PydanticAITactic(Agent(ScriptedModel(), output_type=[Answer, str]), name="both")
    tool = tactic_as_tool(tactic)
    assert tool.__annotations__["return"] is Any
    Tool(tool)


class Described(Untyped, register=False):
    """A tactic that knows its input only as a JSON schema, as one behind a service does."""

    exported = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "days": {"type": "integer", "default": 3},
        },
        "required": ["city"],
    }

    def _export_input_schema(self):
        return self.exported


@pytest.mark.parametrize("mode", ["task", "kwargs"])
def test_a_schema_without_a_type_is_shown_too(mode):
    """What a service said about its input is what the model is told."""
    tool = tactic_as_tool(Described(), parameter_mode=mode)
    schema = Tool(tool).function_schema.json_schema
    fields = schema["properties"]["task"]["properties"] if mode == "task" else schema["properties"]
    assert fields["city"]["description"] == "Where."
    assert fields["days"]["default"] == 3
    assert (tool(city="Ulm") if mode == "kwargs" else tool({"city": "Ulm"}))["city"] == "Ulm"


@pytest.mark.parametrize(
    "exported",
    [
        {"type": "object", "properties": {"class": {}}},
        {"type": "object", "properties": {}},
        {"type": "string"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}},
    ],
)
def test_a_schema_that_makes_no_parameters(exported):
    """Names that Python does not allow, no properties, or definitions elsewhere: any keyword argument is taken."""
    tactic = Described()
    tactic.exported = exported
    (parameter,) = inspect.signature(tactic_as_tool(tactic, parameter_mode="kwargs")).parameters.values()
    assert parameter.kind is inspect.Parameter.VAR_KEYWORD
    Tool(tactic_as_tool(tactic))


@dataclass
class Window:
    """An input that is no model, with fields all the same."""

    first: int
    last: int = 9


class Marks(RootModel[list[int]]):
    """A list with a name."""


def keeping(schema):
    """Return a tactic that keeps its inputs."""

    class Keep(Tactic, register=False):
        input_type = schema
        seen = []

        def _run(self, input_value, *, context=None):
            self.seen.append(input_value)

    return Keep()


@pytest.mark.parametrize("schema", [Window, dict[str, int]])
def test_an_object_that_is_no_model_shows_what_is_known(schema):
    """Its fields are parameters, or its values are typed; the tactic gets the dict."""
    tactic = keeping(schema)
    model = ScriptedModel()
    agent = Agent(model, tools=[tactic_as_tool(tactic, parameter_mode="kwargs")])
    said(agent)
    shown = model.last_model_request_parameters.function_tools[0].parameters_json_schema
    if schema is Window:
        assert shown["required"] == ["first"]
        assert shown["properties"]["last"]["default"] == 9
        assert tactic.seen == [Window(0)]
    else:
        assert shown["additionalProperties"] == {"type": "integer"}


def test_a_root_model_is_registered_as_what_it_holds():
    """The library takes no model that is no object."""
    tactic = keeping(Marks)
    agent = Agent(ScriptedModel(), tools=[tactic_as_tool(tactic)])
    said(agent)
    assert tactic.seen == [Marks([0])]

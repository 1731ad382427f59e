"""How an agent becomes a tactic: arguments, config, names, descriptions, schemas."""

import pytest
from pydantic import ValidationError
from pydantic_ai import Agent, ImageUrl, PromptedOutput, ToolOutput
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import as_tactic
from lllm_runtime_pydantic_ai import PydanticAITactic, PydanticAITacticConfig


def test_as_tactic_finds_the_runtime_of_an_agent(talker):
    """An agent becomes a tactic in one line; options are those of the class."""
    tactic = as_tactic(talker, name="voice", description="Talks.")
    assert type(tactic) is PydanticAITactic
    assert tactic.run("hello") == "one two three"
    assert (tactic.tactic_name, tactic.info().description) == ("voice", "Talks.")


def test_from_agent_is_the_constructor(talker):
    """The class method takes the same options."""
    tactic = PydanticAITactic.from_agent(talker, name="voice")
    assert (tactic.agent, tactic.tactic_name) == (talker, "voice")


def test_the_agent_gives_the_defaults():
    """Name, description and output type come from the agent; the runtime kind tells who runs it."""
    agent = Agent(ScriptedModel(), name="helper", description="Helps.", output_type=int)
    tactic = PydanticAITactic(agent)
    info = tactic.info()
    assert (info.name, info.description, info.runtime_kind) == ("helper", "Helps.", "pydantic-ai")
    assert info.output_schema == {"type": "integer"}
    assert info.input_schema is None
    assert info.capabilities == ("arun", "events", "run", "stream")
    assert tactic.output_type is int


def test_without_a_name_the_class_names_the_tactic():
    """An agent without a name leaves it to the class, and is not named by the run either."""
    nameless = Agent(ScriptedModel(custom_output_text="hi"))
    tactic = PydanticAITactic(nameless)
    assert tactic.tactic_name == "PydanticAITactic"
    tactic.run("x")
    assert nameless.name is None


def test_only_own_docstrings_describe():
    """The docstring of the library's class is not the agent's; that of a class of one's own is."""

    class Poet(Agent):
        """Writes
        verses."""

    assert PydanticAITactic(Agent(ScriptedModel())).info().description == ""
    assert PydanticAITactic(Poet(ScriptedModel())).info().description == "Writes\nverses."
    assert PydanticAITactic(Poet(ScriptedModel()), description="").info().description == ""


@pytest.mark.parametrize("config", [[], "", 0, False, "auto", 7, object()])
def test_a_config_is_a_config_a_mapping_or_none(talker, config):
    """Anything else is refused, what counts as false included."""
    with pytest.raises(TypeError, match="config must be"):
        PydanticAITactic(talker, config)


def test_keyword_arguments_win_over_the_config(talker):
    """Field by field; what is not given comes from the config, unknown fields are kept."""
    config = PydanticAITacticConfig(
        description="From the config.", metadata={"a": 1}, examples=[{"in": "x"}], team="blue"
    )
    tactic = PydanticAITactic(talker, config, description="Given.")
    assert (tactic.info().description, tactic.metadata, tactic.examples) == (
        "Given.",
        {"a": 1},
        [{"in": "x"}],
    )
    assert config.team == "blue"
    assert PydanticAITactic(talker, {"description": "Mapped."}).info().description == "Mapped."


@pytest.mark.parametrize(
    ("field", "value", "kind", "text"),
    [
        ("input_mode", "xml", ValueError, "input_mode must be one of: auto, json, dict, python, text"),
        ("result_mode", "all", ValueError, "result_mode must be one of: output, result"),
        ("stream_mode", [], ValueError, "stream_mode must be one of: output, text, response, raw"),
        ("include_context_metadata", 1, TypeError, "include_context_metadata must be a boolean."),
        ("run_kwargs", [("a", 1)], TypeError, "run_kwargs must be a mapping."),
        ("run_kwargs", {1: "a"}, TypeError, "run_kwargs keys must be strings."),
        ("input_mapper", "upper", TypeError, "input_mapper must be callable"),
        ("output_mapper", 7, TypeError, "output_mapper must be callable"),
        ("metadata", [1], TypeError, "metadata must be a mapping."),
        ("examples", {"a": 1}, TypeError, "examples"),
        ("package_ref", "psi://a/b/services/c", ValueError, "package_ref"),
        ("service_ref", "ftp://x", ValueError, "service_ref"),
        ("description", b"x", TypeError, "description must be a string."),
    ],
)
def test_arguments_are_checked_by_name(talker, field, value, kind, text):
    """The constructor raises what the field calls for, the config a ValidationError with the same text."""
    with pytest.raises(kind, match=text):
        PydanticAITactic(talker, **{field: value})
    with pytest.raises(ValidationError, match=text):
        PydanticAITacticConfig(**{field: value})
    with pytest.raises(ValidationError, match=text):
        PydanticAITactic(talker, {field: value})


@pytest.mark.parametrize("field", ["metadata", "examples"])
def test_none_is_no_metadata_in_a_config(field):
    """In the model None is an error; as a keyword it means that nothing is given."""
    with pytest.raises(ValidationError, match=field):
        PydanticAITacticConfig(**{field: None})


def test_a_config_is_copied(talker):
    """Changing it afterwards changes nothing of the tactic."""
    config = PydanticAITacticConfig(run_kwargs={"metadata": {"a": 1}}, metadata={"b": [1]})
    tactic = PydanticAITactic(talker, config, result_mode="result")
    config.run_kwargs["metadata"]["a"] = 2
    config.metadata["b"].append(2)
    assert tactic.run("x").metadata == {"a": 1}
    assert tactic.metadata == {"b": [1]}


def test_an_output_type_that_is_given_is_checked():
    """The agent is content with its text; the tactic's own type decides."""
    agent = Agent(ScriptedModel(custom_output_text="7"))
    assert PydanticAITactic(agent).run("x") == "7"
    tactic = PydanticAITactic(agent, output_type=int)
    assert tactic.run("x") == 7
    assert tactic.info().output_schema == {"type": "integer"}


@pytest.mark.parametrize("wrapped", [list, ToolOutput, PromptedOutput])
def test_alternatives_and_markers_work(brief_type, wrapped):
    """A list of alternatives or a marker is an output type: `run`, `info` and streams work, nothing is re-checked."""
    output_type = [brief_type, str] if wrapped is list else wrapped(brief_type)
    text = '{"title": "T", "words": 1}'
    model = ScriptedModel(custom_output_text=text) if wrapped is PromptedOutput else ScriptedModel()
    tactic = PydanticAITactic(Agent(model, output_type=output_type))
    assert isinstance(tactic.run("x"), brief_type | str)
    assert tactic.info().output_schema is not None
    assert list(tactic.stream("x"))[-1] == tactic.run("x")


def test_a_mapped_output_has_no_schema_of_the_agent(briefer):
    """What a mapper makes is known only when its type is given."""
    tactic = PydanticAITactic(briefer, output_mapper=lambda result: result.output.title)
    assert tactic.run("x") == "Refs"
    assert tactic.info().output_schema is None
    typed = PydanticAITactic(briefer, output_mapper=lambda result: result.output.title, output_type=str)
    assert typed.info().output_schema == {"type": "string"}


def test_inputs_without_text_become_json(briefer, topic_type):
    """The library takes text or a sequence of contents; a model, a dict or a number is handed over as JSON."""
    tactic = PydanticAITactic(briefer, result_mode="result")
    picture = ImageUrl("https://example.org/tides.png")
    for value, text in (
        (topic_type(topic="refs"), '{"topic":"refs"}'),
        ({"topic": "refs"}, '{"topic":"refs"}'),
        (7, "7"),
        ("plain", "plain"),
        (["part one", "part two"], ["part one", "part two"]),
        (["a picture:", picture], ["a picture:", picture]),
        ([topic_type(topic="refs")], '[{"topic":"refs"}]'),
        (("tides", {"words": 3}), '["tides",{"words":3}]'),
    ):
        assert tactic.run(value).all_messages()[0].parts[-1].content == text


def test_arguments_of_the_run_pass_through(talker):
    """From the constructor and from the call; the call wins."""
    first, second = (ScriptedModel(custom_output_text=text) for text in ("first", "second"))
    tactic = PydanticAITactic(talker, model=first, result_mode="result")
    assert tactic.run("x").output == "first"
    assert tactic.run("x", model=second).output == "second"
    history = tactic.run("x").new_messages()
    again = PydanticAITactic(talker, message_history=history, instructions="Be brief.", result_mode="result")
    messages = again.run("y").all_messages()
    assert len(messages) == len(history) + 2
    assert messages[-2].instructions == "Be brief."


def test_settings_and_toolsets_pass_through():
    """Model settings reach the model, and the tools of a toolset are offered to it."""
    from pydantic_ai import FunctionToolset

    model = ScriptedModel()
    toolset = FunctionToolset()

    @toolset.tool_plain
    def ping() -> str:
        return "pong"

    tactic = PydanticAITactic(Agent(model), model_settings={"max_tokens": 9}, toolsets=[toolset])
    assert "pong" in tactic.run("x")
    assert [tool.name for tool in model.last_model_request_parameters.function_tools] == ["ping"]

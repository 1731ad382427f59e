"""Agents as a config describes them."""

import pytest

from lllm import Tactic
from lllm_runtime_agents import (
    AgentSpec,
    APITypes,
    ContextManager,
    DefaultContextManager,
    Function,
    Prompt,
    default_registry,
    parse_agent_configs,
    register_prompt,
    tactic_as_function,
    tool,
)
from lllm_runtime_agents.deep_merge import deep_merge
from lllm_runtime_agents.tool_refs import resolve_tool


@tool
def shout(text: str) -> str:
    """Shout."""
    return text.upper()


def plain(text: str) -> str:
    """A plain function."""
    return text


class Double(Tactic[int, int], register=False):
    """Doubles a number."""

    name = "double up"

    def _run(self, input_value, *, context=None):
        return input_value * 2

    @tool
    def own(self) -> str:
        """The tactic's own tool."""
        return "own"


def config(**agent):
    entry = {"name": "writer", "model_name": "m", "system_prompt": "x", **agent}
    return {"agent_configs": [entry]}


def spec_of(given):
    return parse_agent_configs(given, ["writer"], "t")["writer"]


def test_globals_lie_under_every_agent():
    """Maps merge, lists and scalars replace, and nothing given is changed."""
    given = {
        "global": {"model_name": "big", "model_args": {"temperature": 0.2, "top_p": 1}, "skills": ["a"]},
        "agent_configs": [
            {"name": "one", "system_prompt": "1", "model_args": {"temperature": 0.9}, "skills": ["b"]},
            {"name": "two", "system_prompt": "2", "model_name": "small"},
            {"name": "unused"},
        ],
    }
    before = repr(given)
    specs = parse_agent_configs(given, ["two", "one"], "t")
    assert list(specs) == ["two", "one"]
    assert specs["one"].model_name == "big"
    assert specs["one"].model_args == {"temperature": 0.9, "top_p": 1}
    assert specs["one"].skills == ["b"]
    assert specs["two"].model_name == "small"
    specs["one"].model_args["temperature"] = 5
    assert repr(given) == before


def test_merging_copies():
    """Neither side of a merge is shared with the result."""
    below, above = {"a": {"b": [1]}, "c": 1}, {"a": {"d": [2]}, "c": [3]}
    merged = deep_merge(below, above)
    assert merged == {"a": {"b": [1], "d": [2]}, "c": [3]}
    merged["a"]["b"].append(9)
    merged["c"].append(9)
    assert (below, above) == ({"a": {"b": [1]}, "c": 1}, {"a": {"d": [2]}, "c": [3]})


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {},
            ValueError,
            r"Agent 'writer' required by tactic 't' not found in agent_configs. Available: \[\]",
        ),
        ({"agent_configs": ["x"]}, TypeError, "agent_configs entries must be dicts, got str"),
        ({"agent_configs": [{"model_name": "m"}]}, ValueError, "Agent config entry missing 'name'"),
        ({"agent_configs": {"writer": {}}}, TypeError, "agent_configs must be a list"),
        (config(model_name=None), ValueError, "Agent 'writer' missing required 'model_name'"),
        (
            config(system_prompt=None),
            ValueError,
            "Agent 'writer' needs either 'system_prompt' or 'system_prompt_path'",
        ),
        (config(model_args=[1]), TypeError, "'model_args' must be a mapping"),
        (config(api_type="chat"), ValueError, "'api_type' must be one of"),
        (config(context_manager=3), TypeError, "'context_manager' must be"),
        (config(system_prompt=5), TypeError, "'system_prompt' must be a text, got int"),
        (config(tools="a:b"), TypeError, "'tools' must be a list"),
        (config(tools=[5]), TypeError, "'tools' must be a list"),
        (config(skills=5), TypeError, "'skills' must be"),
        (config(extra_settings={"nonsense": 1}), TypeError, "unknown extra_settings .'nonsense'."),
        (config(extra_settings={"max_llm_recall": -1}), ValueError, "'max_llm_recall' must be an integer"),
        (
            config(max_exception_retry="3"),
            ValueError,
            "'max_exception_retry' must be an integer of at least 0",
        ),
        (
            config(max_interrupt_steps=2.5),
            ValueError,
            "'max_interrupt_steps' must be an integer of at least 0",
        ),
        (config(max_cost_usd=float("nan")), ValueError, "'max_cost_usd' must be a finite number"),
        (config(rate_limit_max_wait=-1), ValueError, "'rate_limit_max_wait' must be a finite number"),
        (config(tool_timeout=0), ValueError, "'tool_timeout' must be a number of seconds above 0"),
        (config(parallel_tools="yes"), ValueError, "'parallel_tools' must be true or false"),
        ({**config(), "global": [1]}, TypeError, "'global' must be a mapping, got list"),
    ],
)
def test_errors_name_the_agent_and_what_is_wrong(given, error, message):
    """Each fault has its own text."""
    with pytest.raises(error, match=message):
        spec_of(given)


def test_unknown_keys_become_model_arguments_with_a_warning():
    """The warning suggests what was meant; `strict` makes it an error."""
    with pytest.warns(
        UserWarning, match=r"'temprature'.*'max_interupt_steps' \(did you mean 'max_interrupt_steps'\?\)"
    ):
        spec = spec_of(config(temprature=0.1, max_interupt_steps=2))
    assert spec.model_args == {"temprature": 0.1, "max_interupt_steps": 2}
    with pytest.raises(ValueError, match="Known keys"):
        spec_of({**config(temprature=0.1), "strict": True})


def test_every_setting_reaches_the_agent(make_agent):
    """Limits, API type, context manager and extra settings."""
    spec = spec_of(
        config(
            api_type="response",
            max_exception_retry=1,
            max_interrupt_steps=2,
            max_llm_recall=3,
            rate_limit_retries=4,
            rate_limit_max_wait=5.0,
            parallel_tools=True,
            tool_timeout=6,
            context_manager={"type": "default", "max_tokens": 9000},
            extra_settings={"max_cost_usd": 0.5},
        )
    )
    agent = spec.build(None, make_agent().llm_invoker)
    assert agent.api_type is APITypes.RESPONSE
    assert (agent.max_exception_retry, agent.max_interrupt_steps, agent.max_llm_recall) == (1, 2, 3)
    assert (agent.rate_limit_retries, agent.rate_limit_max_wait, agent.parallel_tools) == (4, 5.0, True)
    assert isinstance(agent.context_manager, DefaultContextManager)
    assert agent.context_manager.max_tokens == 9000
    assert (agent.max_cost_usd, agent.tool_timeout) == (0.5, 6)


def test_prompts_come_from_the_text_the_object_or_the_registry(make_agent):
    """An inline prompt wins over a path; a missing path is a KeyError."""
    invoker = make_agent().llm_invoker
    registered = Prompt(path="tests/config/system", prompt="registered")
    register_prompt(registered)
    path = "tests/config/system"
    by_path = spec_of(config(system_prompt=None, system_prompt_path=path)).build(None, invoker)
    assert by_path.system_prompt is registered
    inline = spec_of(config(system_prompt="inline {", system_prompt_path=path)).build(None, invoker)
    assert inline.system_prompt() == "inline {"
    own = Prompt(path="own", prompt="own")
    assert spec_of(config(system_prompt=own)).build(None, invoker).system_prompt is own
    with pytest.raises(KeyError):
        spec_of(config(system_prompt=None, system_prompt_path="tests/config/gone")).build(None, invoker)


def test_context_managers_are_found_by_name(make_agent):
    """The default one, and those that were registered."""

    class Tail(ContextManager):
        name = "tests-tail"

        def __call__(self, dialog):
            shorter = dialog.working_view()
            shorter.messages[1:-1] = []
            return shorter

    default_registry().register_context_manager(Tail)
    agent = spec_of(config(context_manager="tests-tail")).build(None, make_agent().llm_invoker)
    assert isinstance(agent.context_manager, Tail)
    agent.open("x")
    for text in "abc":
        agent.receive(text)
    agent.respond()
    assert [m.content for m in agent.llm_invoker.seen[-1]["messages"]] == ["x", "c"]
    assert len(agent.current_dialog.messages) == 5
    with pytest.raises(KeyError):
        spec_of(config(context_manager={"type": "nobody"})).build(None, agent.llm_invoker)

    class Nameless(ContextManager):
        def __call__(self, dialog):
            return dialog

    with pytest.raises(ValueError, match="name"):
        default_registry().register_context_manager(Nameless)


def test_tools_are_named_in_the_config(make_agent, monkeypatch):
    """Tools, functions and tactics of an importable module, by reference."""
    import sys

    monkeypatch.setitem(sys.modules, "tests_config_tools", sys.modules[__name__])
    spec = spec_of(config(tools=["tests_config_tools:shout", "tests_config_tools:plain", shout]))
    agent = spec.build(None, make_agent().llm_invoker)
    assert [each.name for each in agent.tools] == ["shout", "plain", "shout"]
    assert resolve_tool("tests_config_tools:shout") is shout
    assert resolve_tool("tests_config_tools:Double#own") is Double.own
    double = resolve_tool("tests_config_tools:Double#tool")
    assert (double.name, double.description) == ("double_up", "Doubles a number.")
    assert resolve_tool("tests_config_tools:Double").name == "double_up"
    prompt = Prompt(path="p", prompt="x", function_list=["tests_config_tools:shout"])
    assert prompt.functions == {"shout": shout}
    for ref in ("tests_config_tools:gone", "tests_config_gone:x", "gone", "tests_config_tools:Double#gone"):
        with pytest.raises(KeyError):
            resolve_tool(ref)
    with pytest.raises(TypeError, match="no tool"):
        resolve_tool("tests_config_tools:__doc__")


def test_a_tactic_is_a_tool_for_an_agent(make_agent):
    """Its input is the tool's, its calls are recorded below the caller."""
    function = tactic_as_function(Double())
    assert function.properties == {"task": {"type": "integer"}}
    agent = make_agent([{"name": "double_up", "arguments": {"task": 4}}], "done", tools=[function])
    agent.respond()
    assert (
        "\n8\n" in agent.current_dialog.messages[2].content or "8" in agent.current_dialog.messages[2].content
    )
    assert isinstance(function, Function)


def test_a_tactic_can_take_its_fields_one_by_one():
    """`kwargs` mode shows the fields of the input model."""
    from pydantic import BaseModel

    from lllm_runtime_agents import FunctionCall

    class Order(BaseModel):
        item: str
        count: int = 1

    class Take(Tactic[Order, str], register=False):
        name = "1 take!"

        def _run(self, input_value, *, context=None):
            return f"{input_value.count} {input_value.item}"

    function = tactic_as_function(Take(), parameter_mode="kwargs")
    assert function.name == "tool_1_take"
    assert function.required == ["item"]
    done = function(FunctionCall(id="1", name="x", arguments={"item": "tea", "count": None}))
    assert done.result == "1 tea"
    with pytest.raises(ValueError, match="parameter_mode"):
        tactic_as_function(Take(), parameter_mode="other")
    with pytest.raises(ValueError, match="tool name"):
        tactic_as_function(Take(), name=" padded ")


def test_a_spec_can_be_read_by_itself():
    """Without a group around it."""
    spec = AgentSpec.from_config("solo", {"model_name": "m", "system_prompt": "x"})
    assert (spec.name, spec.model_name, spec.settings) == ("solo", "m", {})

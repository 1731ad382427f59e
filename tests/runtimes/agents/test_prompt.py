"""Prompts: templates, tools, handlers and inline texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import lllm_runtime_agents.registry as registries
from lllm import AgentCallSession
from lllm_runtime_agents import (
    MCP,
    BaseParser,
    DefaultSimpleHandler,
    DefaultTagParser,
    Function,
    ParseError,
    Prompt,
    Registry,
    register_prompt,
    tool,
)
from lllm_runtime_agents.prompt import inline_prompt
from lllm_runtime_agents.template import StringFormatterRenderer, inline_template


@tool
def search(query: str) -> str:
    """Search the web."""
    return query


@pytest.fixture
def session():
    """A record of an agent call, as handlers receive it."""
    return AgentCallSession(agent_name="a")


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("plain", set()),
        ("{a} and {b.c} and {d[0]}", {"a", "b", "d"}),
        ("{{literal}} {x}", {"x"}),
        ("{x:{width}}", {"x", "width"}),
        ("{x!r:>5}", {"x"}),
    ],
)
def test_variables_are_the_roots_of_the_fields(template, names):
    """Attributes and indexes belong to their root; doubled braces are no fields."""
    assert Prompt(path="p", prompt=template).template_vars == names


@pytest.mark.parametrize("template", ["{", "}", "a {b", "{a!}", "{0{}}}"])
def test_unbalanced_braces_are_refused(template):
    """An explicit prompt is a template, and a broken one is found when it is made."""
    with pytest.raises(ValidationError):
        Prompt(path="p", prompt=template)


def test_rendering_fills_the_variables():
    """Values may hold braces, further values are ignored, doubled braces become single ones."""
    prompt = Prompt(path="p", prompt="{a} {{b}} {c.real}")
    assert prompt(a="{x}", c=3, unused=1) == "{x} {b} 3"
    assert Prompt(path="p", prompt="only {{x}}")() == "only {x}"


def test_missing_variables_are_named():
    """The error names what is missing and of which prompt."""
    prompt = Prompt(path="greet", prompt="{b} {a}")
    message = r"Missing required template variables: \['a', 'b'\] for prompt greet, please provide: "
    with pytest.raises(ValueError, match=message):
        prompt()
    assert prompt.validate_args({"a": 1}) == ["b"]


def test_unknown_fields_are_an_error():
    """A misspelled field is not dropped silently."""
    with pytest.raises(ValidationError, match="functions"):
        Prompt(path="p", prompt="x", functions=[search])
    with pytest.raises(ValidationError, match="format"):
        Prompt(path="p", prompt="x", format="json")


def test_parsing_always_keeps_the_raw_text():
    """No parser, a callable, and a parser object all give a map with `raw`."""

    class Words(BaseParser):
        def parse(self, content, **args):
            return {"words": content.split(), **args}

    assert Prompt(path="p", prompt="x").parse("a b") == {"raw": "a b"}
    assert Prompt(path="p", prompt="x", parser=len).parse("a b") == {"raw": "a b", "value": 3}
    parsed = Prompt(path="p", prompt="x", parser=Words()).parse("a b", extra=1)
    assert parsed == {"raw": "a b", "words": ["a", "b"], "extra": 1}


def test_the_default_parser_is_accepted():
    """A tag parser works inside of a prompt."""
    prompt = Prompt(path="p", prompt="x", parser=DefaultTagParser(xml_tags=["a"]))
    assert prompt.parse("<a>1</a>")["xml_tags"] == {"a": ["1"]}
    with pytest.raises(ParseError):
        prompt.parse("nothing")


def test_tools_are_linked_by_name():
    """Unknown names are refused, with what there is."""
    declared = Function(name="add", description="adds", properties={"a": {"type": "integer"}}, required=["a"])
    prompt = Prompt(path="p", prompt="x", function_list=[declared])
    prompt.link_function("add", lambda a: a)
    assert prompt.get_function("add").linked
    assert list(prompt.functions) == ["add"]
    with pytest.raises(KeyError, match=r"Function 'sub' not declared on prompt 'p'. Available: \['add'\]"):
        prompt.link_function("sub", len)
    with pytest.raises(KeyError, match="Function 'sub' not found on prompt 'p'"):
        prompt.get_function("sub")
    with pytest.raises(TypeError):
        prompt.link_function("add", "no function")


def test_the_tool_map_follows_the_tool_list():
    """Tools added to a copy, or later to the list, are offered."""
    prompt = Prompt(path="p", prompt="x")
    copied = prompt.model_copy(update={"function_list": [search]})
    assert list(copied.functions) == ["search"]
    prompt.function_list.append(search)
    assert list(prompt.functions) == ["search"]
    assert prompt.with_functions([search]) is prompt


def test_mcp_servers_are_declared_by_label():
    """Registering a server of the same label replaces it."""
    prompt = Prompt(path="p", prompt="x")
    prompt.register_mcp_server(MCP(server_label="docs", server_url="https://a.example"))
    prompt.register_mcp_server(MCP(server_label="docs", server_url="https://b.example", allowed_tools=["x"]))
    assert prompt.mcp_servers["docs"].to_tool() == {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://b.example",
        "require_approval": "never",
        "allowed_tools": ["x"],
    }
    with pytest.raises(ValidationError, match="require_approval must be one of"):
        MCP(server_label="docs", server_url="https://a.example", require_approval="always")


def test_addons_are_read_from_their_arguments():
    """Web search and computer use are settings of the prompt."""
    plain = Prompt(path="p", prompt="x")
    assert (plain.allow_web_search, plain.computer_use_config) == (False, {})
    addons = {"web_search": True, "computer_use": {"display": 1}}
    prompt = Prompt(path="p", prompt="x", addon_args=addons)
    assert prompt.allow_web_search
    assert prompt.computer_use_config == {"display": 1}


def test_extending_keeps_the_class_and_copies_containers():
    """Changes of the new prompt do not reach the old one."""

    class Special(Prompt):
        level: int = 1

    prompt = Special(path="a", prompt="x", level=3, function_list=[search], metadata={"k": 1})
    longer = prompt.extend(path="b", prompt="y {z}")
    assert isinstance(longer, Special)
    assert (longer.path, longer.level, longer.template_vars) == ("b", 3, {"z"})
    longer.function_list.clear()
    longer.metadata["k"] = 2
    assert (len(prompt.function_list), prompt.metadata) == (1, {"k": 1})
    with pytest.raises(ValueError, match=r"extend\(\) requires a new 'path'"):
        prompt.extend(prompt="y")
    with pytest.raises(ValidationError):
        prompt.extend(path="b", nonsense=1)


def test_info_has_exactly_its_keys():
    """The hash identifies the text."""

    class Answer(BaseModel):
        x: int

    info = Prompt(path="p", prompt="x", function_list=[search], format=Answer).info_dict()
    assert info == {
        "path": "p",
        "prompt_hash": "2d711642b726",
        "metadata": {},
        "functions": ["search"],
        "mcp_servers": [],
        "addon_args": {},
        "has_parser": False,
        "has_format": True,
    }


def test_handlers_derive_prompts_from_the_root(session):
    """Names do not grow, tools stay, and only the final prompt offers none."""
    server = MCP(server_label="m", server_url="https://a.example")
    prompt = Prompt(path="root", prompt="x", function_list=[search], parser=len, mcp_servers_list=[server])
    repair = prompt.on_exception(session)
    interrupt = repair.on_interrupt(session)
    final = interrupt.on_interrupt_final(session)
    assert [each.path for each in (repair, interrupt, final)] == [
        "__root_exception",
        "__root_interrupt",
        "__root_interrupt_final",
    ]
    assert repair(error_message="bad") == "Error: bad. Please fix."
    assert interrupt(call_results="{r}") == "{r}"
    assert final() == "You are reaching the limit of tool calls. Provide the final response."
    assert list(interrupt.functions) == ["search"]
    assert (final.functions, final.mcp_servers, final.parser) == ({}, {}, len)


def test_the_texts_of_the_handler_can_be_changed(session):
    """A handler is a record of three texts."""
    handler = DefaultSimpleHandler(exception_msg="Oops: {error_message}")
    prompt = Prompt(path="p", prompt="x", handler=handler)
    assert prompt.on_exception(session)(error_message="e") == "Oops: e"


@pytest.mark.parametrize(
    ("text", "values", "rendered"),
    [
        ("plain", {}, "plain"),
        ("Hello {name}", {"name": "you"}, "Hello you"),
        ("{{literal}} {name}", {"name": "x"}, "{literal} x"),
        ('Answer as {"a": 1}', {}, 'Answer as {"a": 1}'),
        ('{name}: {"a": {"b": 1}}', {"name": "x"}, 'x: {"a": {"b": 1}}'),
        ("a { lone brace", {}, "a { lone brace"),
        ("a } lone {name}", {"name": "x"}, "a } lone x"),
        ("{{only doubled}}", {}, "{{only doubled}}"),
        ("{key: value} {name}", {"name": "x"}, "{key: value} x"),
        ("{a}{b}", {"a": "1", "b": "2"}, "12"),
    ],
)
def test_inline_texts_are_read_leniently(text, values, rendered):
    """Only identifiers alone in their braces are variables; every other brace stands for itself."""
    prompt = inline_prompt(text, "inline")
    assert prompt.template_vars == set(values)
    assert prompt(**values) == rendered


@given(st.text(alphabet="{}ab \"':1", max_size=30))
def test_every_inline_text_makes_a_prompt(text):
    """Whatever braces a text holds, it becomes a template that renders once its variables are given."""
    prompt = inline_prompt(text, "inline")
    prompt(**dict.fromkeys(prompt.template_vars, "v"))


@given(st.text(alphabet="{}ab ", max_size=30))
def test_escaped_text_renders_as_itself(text):
    """Escaping is the inverse of rendering."""
    renderer = StringFormatterRenderer()
    assert renderer.render(renderer.escape(text), {}) == text


@given(st.text(alphabet='{}" ', max_size=30))
def test_inline_text_without_variables_is_verbatim(text):
    """A text that names no variable comes out as it went in."""
    assert StringFormatterRenderer().render(inline_template(text), {}) == text


def test_prompts_are_registered_under_their_path(monkeypatch):
    """Without the packages plugin a registry of this process holds them."""
    monkeypatch.setattr(registries, "default_registry", lambda own=Registry(): own)
    monkeypatch.setattr("lllm_runtime_agents.prompt.default_registry", registries.default_registry)
    prompt = Prompt(path="mine", prompt="x")
    register_prompt(prompt)
    assert registries.find_prompt("mine") is prompt
    with pytest.raises(ValueError, match="Resource 'mine' already registered"):
        register_prompt(prompt, overwrite=False)
    with pytest.raises(KeyError, match=r"Resource 'mien' not found. Did you mean: \['mine'\]"):
        registries.find_prompt("mien")


def test_the_plain_registry_is_used_without_the_packages_plugin(monkeypatch):
    """A missing distribution is no error: the process has a registry of its own."""

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(registries, "forward", missing)
    assert isinstance(registries.default_registry(), Registry)

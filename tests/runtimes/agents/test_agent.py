"""Agents and their dialogs."""

import base64

import pytest

from lllm_runtime_agents import Agent, APITypes, Dialog, Prompt, Roles, quick, register_invoker


def test_opening_begins_with_the_system_prompt(make_agent):
    """The system prompt is rendered, named and active; opening can be chained."""
    agent = make_agent(prompt="You know {thing}.", open=False)
    assert agent.open("a", {"thing": "maths"}) is agent
    dialog = agent.current_dialog
    assert [(m.role, m.name, m.content) for m in dialog.messages] == [
        (Roles.SYSTEM, "system", "You know maths.")
    ]
    assert (dialog.session_name, dialog.owner) == ("tester_a", "tester")
    assert dialog.top_prompt is agent.system_prompt
    assert agent.open("b", {"thing": "x"}, session_name="named", switch=False).active_alias == "a"
    assert agent.dialogs["b"].session_name == "named"


def test_missing_variables_keep_a_dialog_closed(make_agent):
    """Opening fails before the alias is taken."""
    agent = make_agent(prompt="{thing}", open=False)
    with pytest.raises(ValueError, match="thing"):
        agent.open("a")
    assert agent.dialogs == {}


def test_the_errors_name_agent_and_alias(make_agent):
    """Each misuse of an alias has its own error."""
    agent = make_agent()
    with pytest.raises(
        ValueError, match=r"Dialog 'main' already exists on agent 'tester'\. .*\.fork.*\.close"
    ):
        agent.open("main")
    agent.fork("main", "other")
    with pytest.raises(ValueError, match=r"^Dialog 'other' already exists on agent 'tester'\.$"):
        agent.fork("main", "other")
    for misuse in (
        lambda: agent.fork("gone", "x"),
        lambda: agent.close("gone"),
        lambda: agent.switch("gone"),
        lambda: agent.receive("x", alias="gone"),
        lambda: agent.respond("gone"),
    ):
        with pytest.raises(
            KeyError, match=r"No dialog 'gone' on agent 'tester'. Available: \['main', 'other'\]"
        ):
            misuse()


def test_without_an_active_dialog_nothing_is_received(make_agent):
    """The error says how to get one."""
    agent = make_agent(open=False)
    message = r"Agent 'tester' has no active dialog. Call .open\(alias\) or .switch\(alias\) first."
    for misuse in (lambda: agent.receive("x"), agent.respond, lambda: agent.current_dialog):
        with pytest.raises(RuntimeError, match=message):
            misuse()


def test_closing_and_switching(make_agent):
    """A closed dialog is returned, and the active alias is cleared when it was that one."""
    agent = make_agent()
    agent.open("second")
    assert agent.active_alias == "second"
    assert isinstance(agent.close("main"), Dialog)
    assert agent.active_alias == "second"
    agent.close("second")
    assert agent.active_alias is None
    assert agent.open("third", switch=False).active_alias is None
    assert agent.switch("third") is agent
    assert agent.active_alias == "third"


def test_forks_keep_the_ends(make_agent):
    """`last_n` counts from the tail, and the system prompt stays."""
    agent = make_agent()
    for number in range(4):
        agent.receive(f"m{number}")
    agent.fork("main", "short", last_n=1)
    assert [message.content for message in agent.current_dialog.messages] == ["You are a test.", "m3"]
    agent.fork("main", "aside", switch=False)
    assert agent.active_alias == "short"
    assert agent.dialogs["main"].children == [agent.dialogs["short"], agent.dialogs["aside"]]


def test_receiving_adds_to_the_chosen_dialog(make_agent):
    """Texts, prompts and images reach the dialog of their alias."""
    agent = make_agent()
    agent.open("side", switch=False)
    agent.receive("to side", alias="side", role=Roles.ASSISTANT, name="bob")
    agent.receive_prompt(Prompt(path="p", prompt="{x}"), {"x": "1"}, alias="side")
    image = base64.b64encode(b"GIF89a" + b"\0" * 10).decode()
    agent.receive_image(image, caption="c", alias="side")
    assert len(agent.current_dialog.messages) == 1
    side = agent.dialogs["side"].messages
    assert [(m.role, m.name) for m in side[1:]] == [
        (Roles.ASSISTANT, "bob"),
        (Roles.USER, "user"),
        (Roles.USER, "user"),
    ]
    assert side[-1].metadata["caption"] == "c"


def test_a_bare_text_drops_the_active_prompt(make_agent):
    """Only when it is asked for."""
    agent = make_agent()
    agent.receive("x")
    assert agent.current_dialog.top_prompt is agent.system_prompt
    agent.receive("y", bare=True)
    assert agent.current_dialog.top_prompt.path == "__bare"


def test_only_the_system_prompt_is_enough_to_respond(make_agent):
    """The model may speak first."""
    agent = make_agent("hello")
    assert agent.respond().content == "hello"


def test_arguments_overlay_those_of_the_agent(make_agent):
    """For one call, without changing the agent; metadata reaches invoker and message."""
    agent = make_agent(model_args={"temperature": 0.1, "top_p": 1})
    message = agent.respond(args={"temperature": 0.9}, metadata={"trace": "t"})
    seen = agent.llm_invoker.seen[0]
    assert seen["model_args"] == {"temperature": 0.9, "top_p": 1}
    assert (seen["agent"], seen["model"]) == ("tester", "test-model")
    assert agent.model_args == {"temperature": 0.1, "top_p": 1}
    assert message.metadata["trace"] == "t"


def test_everything_about_a_call_reaches_the_invoker(make_agent):
    """Dialog and model by position, the rest by name."""
    from lllm_runtime_agents import BaseInvoker, InvokeResult, Message

    class Spy(BaseInvoker):
        def call(self, dialog, model, **rest):
            self.got = (dialog, model, rest)
            return InvokeResult(message=Message(role="assistant", content="ok", name="x"))

    spy = Spy()
    agent = make_agent(invoker=spy, api_type=APITypes.RESPONSE)
    agent.respond(parser_args={"p": 1}, metadata={"m": 2})
    dialog, model, rest = spy.got
    assert model == "test-model"
    assert dialog.top_prompt is agent.system_prompt
    assert rest == {
        "model_args": {},
        "parser_args": {"p": 1},
        "responder": "tester",
        "metadata": {"m": 2},
        "api_type": APITypes.RESPONSE,
        "stream_handler": None,
    }


def test_a_text_is_a_system_prompt_too(make_agent):
    """It is read as an inline prompt."""
    mock = make_agent().llm_invoker
    agent = Agent(name="a", system_prompt='Answer as {"a": 1}', model="m", llm_invoker=mock)
    assert agent.open("x").current_dialog.head.content == 'Answer as {"a": 1}'


def test_keys_do_not_show_in_representations(make_agent):
    """An agent's repr names it and leaves out invoker and arguments."""
    agent = make_agent(model_args={"api_key": "sk-verysecretverysecret"})
    assert repr(agent) == "Agent(name='tester', model='test-model', dialogs=['main'])"
    assert "secret" not in repr(agent.llm_invoker)


def test_quick_gives_an_agent_a_message_or_both(make_agent):
    """What comes back depends on whether something is asked."""
    from lllm import Tactic

    mock = make_agent("one", "two", "three").llm_invoker
    register_invoker("litellm", lambda config: mock, overwrite=True)
    agent = quick()
    agent.receive("hi")
    assert agent.respond().content == "one"
    assert quick("what?", temperature=0).content == "two"
    assert mock.seen[1]["model_args"] == {"temperature": 0}
    assert mock.seen[1]["model"] == "gpt-4o"
    assert mock.seen[1]["messages"][0].content == "You are a helpful assistant."
    prompt = Prompt(path="p", prompt="Be brief.")
    message, again = Tactic.quick("why?", prompt, "other", return_agent=True)
    assert (message.content, again.system_prompt) == ("three", prompt)

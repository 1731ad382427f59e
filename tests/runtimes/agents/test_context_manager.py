"""Shortening dialogs to the model's window."""

import pytest

from lllm_runtime_agents import DefaultContextManager, Dialog, FunctionCall, Message, Roles
from lllm_runtime_agents.tokens import context_window, estimate_text, estimate_tokens


@pytest.fixture
def dialog():
    """A system message and ten texts of a hundred tokens."""
    filled = Dialog()
    filled.put_text("system", name="system", role=Roles.SYSTEM)
    for number in range(10):
        filled.put_text(f"{number}" + "x" * 399)
    return filled


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("gpt-4o-mini", 128_000),
        ("openai:gpt-4.1", 1_047_576),
        ("gpt-4", 8192),
        ("anthropic/claude-sonnet-4", 200_000),
        ("whatever", 8192),
    ],
)
def test_windows_are_known_by_the_models_name(model, window):
    """With or without the provider; an unknown model has a small one."""
    assert context_window(model) == window
    assert DefaultContextManager(model).max_tokens == window


def test_estimates_grow_with_the_text():
    """Four ASCII characters make a token, others one each."""
    assert [estimate_text(text) for text in ("", "abcd", "abcde", "äöü", "日本")] == [0, 1, 2, 3, 2]
    call = Message(role="tool_call", content="", name="a", function_calls=[FunctionCall(id="1", name="f")])
    assert estimate_tokens(call) > 4


def test_what_fits_is_the_same_object(dialog):
    """Nothing is copied."""
    assert DefaultContextManager("m", 5000 + 1100)(dialog) is dialog


def test_the_ends_are_kept(dialog):
    """The first message, as many of the last as fit, and a cut one at the border."""
    shorter = DefaultContextManager("m", 5000 + 380)(dialog)
    texts = [message.content for message in shorter.messages]
    assert texts[0] == "system"
    assert [text[0] for text in texts[-3:]] == ["7", "8", "9"]
    assert texts[1].startswith("[...earlier content truncated...]\n")
    assert len(texts) == 5
    assert sum(map(estimate_tokens, shorter.messages)) <= 380
    assert len(dialog.messages) == 11


def test_a_border_with_little_room_is_dropped(dialog):
    """Fifty tokens or fewer are not worth a cut."""
    shorter = DefaultContextManager("m", 5000 + 330)(dialog)
    assert [message.content[0] for message in shorter.messages] == ["s", "7", "8", "9"]


def test_a_result_is_not_kept_without_its_call():
    """Providers refuse a tool message that nobody asked for."""
    dialog = Dialog()
    dialog.put_text("system", role=Roles.SYSTEM)
    dialog.append(
        Message(
            role=Roles.TOOL_CALL,
            content="",
            name="a",
            function_calls=[FunctionCall(id="1", name="f", arguments={"q": "x" * 2000})],
        )
    )
    dialog.append(Message(role=Roles.TOOL, content="r" * 200, name="f", metadata={"tool_call_id": "1"}))
    dialog.put_text("thanks")
    shorter = DefaultContextManager("m", 5000 + 150)(dialog)
    assert [message.role for message in shorter.messages] == [Roles.SYSTEM, Roles.USER]


def test_a_tiny_window_still_holds_something(dialog):
    """When the safety buffer is larger than the window, half of the window is used."""
    shorter = DefaultContextManager("m", 500)(dialog)
    assert shorter.messages[0].content == "system"
    assert len(shorter.messages) > 1
    assert sum(map(estimate_tokens, shorter.messages)) <= 250

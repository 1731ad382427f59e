"""Messages, tool calls and the small vocabularies."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from lllm_runtime_agents import (
    LLM_SIDE_ROLES,
    APITypes,
    FunctionCall,
    InvokeResult,
    Invokers,
    Message,
    Modalities,
    Roles,
    TokenLogprob,
)


def test_roles_have_the_names_of_the_chat_api():
    """The values are the wire names; only the system role has another name in current APIs."""
    assert [role.value for role in Roles] == ["system", "assistant", "user", "tool", "tool_call"]
    assert Roles.SYSTEM.msg_value == "developer"
    assert Roles.USER.msg_value == "user"
    assert LLM_SIDE_ROLES == [Roles.ASSISTANT, Roles.TOOL_CALL]
    assert [each.value for each in Modalities] == ["text", "image", "audio", "function_call"]
    assert [each.value for each in APITypes] == ["completion", "response"]
    assert Invokers.LITELLM == "litellm"


def test_a_message_has_plain_defaults():
    """Only role, content and name are required."""
    message = Message(role="user", content="hi", name="user")
    assert message.role is Roles.USER
    assert message.modality is Modalities.TEXT
    assert message.api_type is APITypes.COMPLETION
    assert (message.function_calls, message.logprobs, message.parsed, message.usage) == ([], [], {}, {})
    assert message.model is None
    assert not message.is_function_call
    with pytest.raises(ValidationError):
        Message(role="user", content="hi")


@pytest.mark.parametrize(
    ("name", "sanitized"),
    [("plain-Name_1", "plain-Name_1"), ("a b.c/ü", "a_b_c__"), ("x" * 100, "x" * 64)],
)
def test_names_are_made_fit_for_providers(name, sanitized):
    """Characters outside the alphabet become underscores and the length is capped."""
    assert Message(role="user", content="", name=name).sanitized_name == sanitized


def test_logprobs_are_read_from_maps_numbers_and_texts():
    """Each form becomes a record."""
    message = Message(
        role="assistant", content="", name="a", logprobs=[{"token": "x", "logprob": -1}, -0.5, "y"]
    )
    assert message.logprobs == [
        TokenLogprob(token="x", logprob=-1.0),
        TokenLogprob(logprob=-0.5),
        TokenLogprob(token="y"),
    ]


def test_the_cost_is_read_from_the_usage():
    """Tokens, details, rates and dollars all reach the cost."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 3},
        "input_cost_per_token": 0.1,
        "response_cost": 0.25,
    }
    message = Message(role="assistant", content="", name="a", usage=usage)
    cost = message.cost
    assert (cost.prompt_tokens, cost.completion_tokens, cost.total_tokens) == (10, 5, 15)
    assert (cost.cached_prompt_tokens, cost.audio_prompt_tokens) == (4, 1)
    assert (cost.reasoning_tokens, cost.audio_completion_tokens) == (2, 3)
    assert (cost.input_cost_per_token, cost.cost) == (0.1, 0.25)
    assert message.priced


@given(
    st.dictionaries(
        st.sampled_from(
            ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "response_cost"]
        ),
        st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.dictionaries(st.text(), st.none()),
    )
)
def test_no_usage_map_breaks_the_cost(usage):
    """Whatever a provider sends as usage, reading the cost never raises."""
    message = Message(role="assistant", content="", name="a", usage=usage)
    assert message.cost.cost == message.cost.cost


@pytest.mark.parametrize("usage", [{}, {"response_cost": None}, {"response_cost": "1"}])
def test_a_reply_without_a_price_is_unpriced(usage):
    """An unknown price costs nothing and is marked as unknown."""
    message = Message(role="assistant", content="", name="a", usage=usage)
    assert message.cost.cost == 0.0
    assert not message.priced


def test_messages_survive_a_round_trip():
    """Tool calls, parsed models and metadata come back; a model comes back as its map."""

    class Answer(BaseModel):
        value: int

    message = Message(
        role=Roles.TOOL_CALL,
        content="x",
        name="a",
        function_calls=[FunctionCall(id="1", name="add", arguments={"a": 1}, result=2, result_str="2")],
        parsed={"raw": "x", "value": Answer(value=3)},
        metadata={"k": [1, 2]},
        logprobs=[-1.0],
    )
    stored = json.loads(json.dumps(message.to_dict()))
    loaded = Message.from_dict(stored)
    assert loaded.parsed == {"raw": "x", "value": {"value": 3}}
    assert loaded.function_calls == message.function_calls
    assert loaded.to_dict() == message.to_dict()


def test_values_that_json_does_not_know_become_text():
    """A strange object in the metadata does not make a message unwritable."""
    message = Message(role="user", content="x", name="u", metadata={"thing": object()})
    assert json.loads(json.dumps(message.to_dict()))["metadata"]["thing"].startswith("<object object")


def test_tool_calls_compare_by_name_and_arguments():
    """Ids and results do not matter for whether a call is a repetition."""
    first = FunctionCall(id="1", name="add", arguments={"a": 1})
    same = FunctionCall(id="2", name="add", arguments={"a": 1}, result_str="x")
    other = FunctionCall(id="3", name="add", arguments={"a": 2})
    assert first.equals(same)
    assert not first.equals(other)
    assert first.is_repeated([other, same])
    assert not first.is_repeated([other])
    assert str(first).startswith("Calling function: add with arguments: {'a': 1}")
    assert not first.success
    assert same.success
    assert not FunctionCall(id="4", name="x", result_str="Error: e", error_message="e").success


def test_an_invoke_result_without_a_message_costs_nothing():
    """The defaults describe an empty result; errors are joined by line breaks."""
    empty = InvokeResult()
    assert (empty.raw_response, empty.model_args, empty.message) == (None, {}, None)
    assert not empty.has_errors
    assert empty.cost.cost == 0.0
    failed = InvokeResult(execution_errors=[ValueError("a"), "b"])
    assert failed.has_errors
    assert failed.error_message == "a\nb"

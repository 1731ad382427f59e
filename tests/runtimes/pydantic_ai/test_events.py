"""What `aevents` says of a run: stable kinds, JSON in every event, usage and output last."""

import asyncio
import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.messages import (
    ModelMessage,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from pydantic_ai.models.function import DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import SchemaError, Tactic
from lllm_runtime_pydantic_ai import PydanticAITactic
from lllm_runtime_pydantic_ai.events import text_of, to_event


def read(tactic, value="x", **kwargs):
    """Return the events of a call."""

    async def collect():
        return [event async for event in tactic.aevents(value, **kwargs)]

    return asyncio.run(collect())


def test_text_comes_in_pieces_and_the_output_last(talker):
    """The pieces are what is new of the text; joined they are the output."""
    events = read(PydanticAITactic(talker))
    pieces = [event.data for event in events if event.kind == "text"]
    assert pieces == ["one ", "two ", "three"]
    assert [event.kind for event in events[-2:]] == ["usage", "result"]
    assert events[-1].data == "".join(pieces)


def test_tools_are_called_and_answer(briefer, brief_type):
    """A call has id, name and arguments as a map, its answer id, name and content; the output tool is no tool."""
    events = read(PydanticAITactic(briefer))
    calls = [event.data for event in events if event.kind == "tool_call"]
    answers = [event.data for event in events if event.kind == "tool_result"]
    assert [(call["name"], call["args"]) for call in calls] == [("look_up", {"word": "a"})]
    assert answers == [{"id": calls[0]["id"], "name": "look_up", "content": {"found": "a"}}]
    assert events[-1].data == brief_type(title="Refs", words=3)


def test_every_event_is_json(briefer):
    """Whatever the library says can be dumped, and no text is a Python repr."""
    for event in read(PydanticAITactic(briefer)):
        dumped = event.model_dump_json()
        assert "object at 0x" not in dumped
        assert "Event(" not in dumped
        if event.kind == "part":
            assert json.loads(dumped)["data"]["event_kind"]


def test_the_kinds_are_the_stable_ones(briefer, talker):
    """No other kind appears."""
    kinds = {event.kind for agent in (briefer, talker) for event in read(PydanticAITactic(agent))}
    assert kinds == {"text", "tool_call", "tool_result", "part", "usage", "result"}


def test_thinking_has_its_own_kind():
    """What the model thinks is not part of what it says."""

    async def think(messages: list[ModelMessage], info):
        yield {0: DeltaThinkingPart(content="let me ")}
        yield {0: DeltaThinkingPart(content="see")}
        yield "done"

    events = read(PydanticAITactic(Agent(FunctionModel(stream_function=think))))
    assert "".join(event.data for event in events if event.kind == "thinking") == "let me see"
    assert "".join(event.data for event in events if event.kind == "text") == "done"


def test_text_before_a_tool_call_is_not_the_output():
    """A model may speak before it calls a tool: the output is what it says in the end."""

    async def speak(messages, info):
        if len(messages) == 1:
            yield "Let me look."
            yield {1: DeltaToolCall(name="look", json_args="{}", tool_call_id="c1")}
        else:
            yield "It is "
            yield "there."

    agent = Agent(FunctionModel(stream_function=speak))

    @agent.tool_plain
    def look() -> str:
        return "there"

    tactic = PydanticAITactic(agent)
    events = read(tactic)
    assert events[-1].data == "It is there."
    order = [event.kind for event in events if event.kind != "part"]
    assert order == ["text", "tool_call", "tool_result", "text", "text", "usage", "result"]
    assert "".join(tactic.stream("x")).endswith("It is there.")


def test_usage_names_model_calls_tokens_and_cost(make_served):
    """One event with what the run used, priced by the library."""
    events = read(PydanticAITactic(make_served()))
    usage = events[-2].data
    assert usage["cost"] == pytest.approx(100 * 2.5e-6 + 20 * 10e-6)
    del usage["cost"]
    assert usage == {
        "model": "gpt-4o",
        "calls": 1,
        "tool_calls": 0,
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
    }


def test_an_unknown_price_is_none(talker):
    """Unknown is not free."""
    assert read(PydanticAITactic(talker))[-2].data["cost"] is None


def test_the_output_is_validated_and_never_the_messages(talker):
    """In result mode too the event holds the output; a type that is given is held against it."""
    assert read(PydanticAITactic(talker, result_mode="result"))[-1].data == "one two three"
    mapped = PydanticAITactic(talker, output_mapper=lambda result: len(result.output), output_type=int)
    assert read(mapped)[-1].data == 13
    with pytest.raises(SchemaError) as caught:
        read(PydanticAITactic(talker, output_type=int))
    assert caught.value.direction == "output"


def test_events_over_a_real_connection(make_served, server, reply):
    """The stub server streams; text arrives as it is sent."""
    server.say(reply("one\ntwo\n"))
    events = read(PydanticAITactic(make_served()))
    assert [event.data for event in events if event.kind == "text"] == ["one\n", "two\n"]
    assert events[-1].data == "one\ntwo\n"


# --- single events


@pytest.mark.parametrize(
    ("native", "kind", "data"),
    [
        (PartStartEvent(index=0, part=TextPart("a")), "text", "a"),
        (PartStartEvent(index=0, part=ThinkingPart("b")), "thinking", "b"),
        (PartDeltaEvent(index=0, delta=ThinkingPartDelta(content_delta="c")), "thinking", "c"),
    ],
)
def test_pieces_of_text_and_thinking(native, kind, data):
    """A part that starts with content, or grows by it."""
    event = to_event(native)
    assert (event.kind, event.data) == (kind, data)
    assert text_of(native) == (data if kind == "text" else "")


def test_a_part_that_starts_empty_is_a_part():
    """Nothing was said yet."""
    event = to_event(PartStartEvent(index=0, part=TextPart("")))
    assert (event.kind, event.data["part"]["content"]) == ("part", "")


@pytest.mark.parametrize(
    ("given", "told"),
    [('{"a": 1}', {"a": 1}), ({"a": 1}, {"a": 1}), ("", {}), (None, {}), ("{broken", "{broken")],
)
def test_arguments_are_a_map_unless_they_are_broken(given, told):
    """JSON text is read; what cannot be read is told as it came."""
    part = ToolCallPart(tool_name="t", args=given, tool_call_id="c")
    event = to_event(SimpleNamespace(event_kind="function_tool_call", part=part))
    assert (event.kind, event.data) == ("tool_call", {"id": "c", "name": "t", "args": told})


def test_the_result_of_an_older_release_is_found():
    """There the answer of a tool is called `result` and not `part`."""
    answer = SimpleNamespace(tool_call_id="c", tool_name="t", content="x")
    event = to_event(SimpleNamespace(event_kind="function_tool_result", result=answer))
    assert (event.kind, event.data) == ("tool_result", {"id": "c", "name": "t", "content": "x"})


@dataclass
class Strange:
    """An event that no release has yet."""

    payload: object
    event_kind: str = "strange"


def test_unknown_events_are_parts():
    """Bytes, numbers that JSON has not, objects, and what holds itself: all become JSON."""
    loop: list = []
    loop.append(loop)
    for payload, told in (
        (b"\xff\x00", "_wA="),
        (float("nan"), None),
        (Strange, {"type": "builtins.type"}),
        ({1, 2}, [1, 2]),
        (BinaryContent(b"x", media_type="image/png"), None),
    ):
        event = to_event(Strange(payload))
        assert event.kind == "part"
        assert json.loads(event.model_dump_json())["data"]["event_kind"] == "strange"
        if told is not None:
            assert event.data["payload"] == told
    assert to_event(Strange(loop)).data == {"type": f"{__name__}.Strange"}


def test_a_run_of_the_test_model_with_an_output_function():
    """What an output function returns is the output."""

    def shout(text: str) -> str:
        return text.upper()

    agent = Agent(ScriptedModel(custom_output_args={"text": "hi"}), output_type=shout)
    assert read(PydanticAITactic(agent))[-1].data == "HI"


WAYS = {
    "run": lambda tactic: tactic.run("x"),
    "stream": lambda tactic: list(tactic.stream("x")),
    "aevents": read,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("given", ["constructor", "class"])
def test_a_handler_of_the_library_hears_every_kind_of_run(talker, way, given):
    """`event_stream_handler` is an argument of `Agent.run`; runs that stream are heard as well."""
    heard = []

    async def handler(ctx, events):
        heard.extend([event.event_kind async for event in events])

    settings = {"run_kwargs": {"event_stream_handler": handler}}

    class Talk(Tactic[str, str], register=False):
        agent = talker
        config = settings

    way(Talk() if given == "class" else PydanticAITactic(talker, **settings))
    assert {"part_start", "part_delta", "final_result"} <= set(heard)

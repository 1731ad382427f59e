"""Chunks of a run: text as it comes, partial outputs as they become valid."""

import asyncio
import threading

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunResultEvent
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models.function import DeltaToolCall, FunctionModel

from lllm import SchemaError
from lllm_runtime_pydantic_ai import PydanticAITactic
from lllm_runtime_pydantic_ai.handover import OwnedStream


class Report(BaseModel):
    """An output that is valid before it is complete."""

    title: str = ""
    lines: list[str] = []


def read(tactic, way, value="x"):
    """Return the chunks of a call, read synchronously or not."""

    async def collect():
        return [chunk async for chunk in tactic.astream(value)]

    return list(tactic.stream(value)) if way == "stream" else asyncio.run(collect())


def reporter(*pieces, output_type=Report):
    """Return an agent whose model sends the arguments of the output tool piece by piece."""

    async def send(messages, info):
        name = info.output_tools[0].name
        yield {0: DeltaToolCall(name=name, json_args=pieces[0], tool_call_id="c")}
        for piece in pieces[1:]:
            yield {0: DeltaToolCall(json_args=piece)}

    return Agent(FunctionModel(stream_function=send), output_type=output_type, name="reporter")


WAYS = ["stream", "astream"]


@pytest.mark.parametrize("way", WAYS)
def test_text_is_streamed_as_it_comes(talker, way):
    """The chunks joined are the output."""
    assert read(PydanticAITactic(talker), way) == ["one ", "two ", "three"]


@pytest.mark.parametrize("way", WAYS)
def test_structured_output_is_streamed_as_it_becomes_valid(way):
    """Each chunk is a validated output that says more than the one before; the last is the output."""
    tactic = PydanticAITactic(reporter('{"title": "Re', 'fs", "lines": ["a"', ', "b"', "]}"))
    assert read(tactic, way) == [
        Report(title="Re"),
        Report(title="Refs", lines=["a"]),
        Report(title="Refs", lines=["a", "b"]),
    ]


def test_an_output_that_is_valid_only_in_the_end_is_one_chunk(briefer, brief_type):
    """Without valid partial outputs the stream still ends with the output."""
    assert read(PydanticAITactic(briefer), "astream") == [brief_type(title="Refs", words=3)]


def test_a_reply_that_fails_validation_is_asked_for_again():
    """The stream shows the first try and goes on with the second, which is the output."""

    async def send(messages, info):
        name = info.output_tools[0].name
        lines = '"no list"' if len(messages) == 1 else '["a"]'
        yield {0: DeltaToolCall(name=name, json_args='{"title": "T"', tool_call_id="c")}
        yield {0: DeltaToolCall(json_args=f', "lines": {lines}}}')}

    agent = Agent(FunctionModel(stream_function=send), output_type=Report)
    assert read(PydanticAITactic(agent), "astream")[-1] == Report(title="T", lines=["a"])


def test_long_replies_are_looked_at_less_and_less_often():
    """The work for partial outputs stays in proportion to the reply: far fewer chunks than pieces."""
    lines = [f'"{number:04}",' for number in range(2000)]
    tactic = PydanticAITactic(reporter('{"title": "T", "lines": [', *lines, '"end"]}'))
    chunks = read(tactic, "astream")
    assert len(chunks) < 700
    assert len(chunks[-1].lines) == 2001
    assert [len(chunk.lines) for chunk in chunks[:5]] == [0, 1, 2, 3, 4]


def test_text_mode_streams_text_of_any_agent():
    """Also of one whose output is structured."""

    async def send(messages, info):
        yield "thinking aloud"
        yield {1: DeltaToolCall(name=info.output_tools[0].name, json_args='{"title": "T"}', tool_call_id="c")}

    agent = Agent(FunctionModel(stream_function=send), output_type=Report)
    assert read(PydanticAITactic(agent, stream_mode="text"), "astream") == ["thinking aloud"]


def test_response_and_raw_modes_give_what_the_library_has(talker):
    """Responses as far as they are written, or the library's events, the last with the result."""
    grown = read(PydanticAITactic(talker, stream_mode="response"), "astream")
    assert all(isinstance(item, ModelResponse) for item in grown)
    assert [item.parts[0].content for item in grown] == ["one ", "one two ", "one two three"]
    raw = read(PydanticAITactic(talker, stream_mode="raw"), "astream")
    assert isinstance(raw[-1], AgentRunResultEvent)


@pytest.mark.parametrize("way", WAYS)
def test_a_mapped_output_is_the_last_chunk(talker, way):
    """The output is what the mapper makes of the result, validated."""
    tactic = PydanticAITactic(
        talker, output_mapper=lambda result: result.output.split(), output_type=list[str]
    )
    assert read(tactic, way)[-1] == ["one", "two", "three"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["talker", "briefer"])
def test_the_end_of_a_stream_is_validated(request, way, kind):
    """A type that is given is held against the output of a stream too."""
    tactic = PydanticAITactic(request.getfixturevalue(kind), output_type=int)
    with pytest.raises(SchemaError) as caught:
        read(tactic, way)
    assert caught.value.direction == "output"


@pytest.mark.parametrize("way", WAYS)
def test_streams_over_a_real_connection(make_served, server, reply, way):
    """Chunks come from the wire, text and structured."""
    server.say(reply("one\ntwo\n"), reply(tools=(("final_result", '{"title":"T","lines":["a"]}'),)))
    assert read(PydanticAITactic(make_served()), way) == ["one\n", "two\n"]
    assert read(PydanticAITactic(make_served(output_type=Report)), way)[-1] == Report(title="T", lines=["a"])


def test_leaving_a_stream_ends_the_run():
    """The generator of the model is closed, synchronously and asynchronously."""
    stopped = threading.Event()

    async def send(messages, info):
        try:
            while True:
                yield "again "
                await asyncio.sleep(0.001)
        finally:
            stopped.set()

    tactic = PydanticAITactic(Agent(FunctionModel(stream_function=send)))
    stream = tactic.stream("x")
    assert next(stream) == "again "
    stream.close()
    assert stopped.wait(5)
    stopped.clear()

    async def leave():
        chunks = tactic.astream("x")
        assert await anext(chunks) == "again "
        await chunks.aclose()
        assert stopped.is_set()

    asyncio.run(leave())


def test_a_stream_may_be_read_from_several_tasks(talker):
    """One task owns what the library opens, so each chunk may be asked for elsewhere."""

    async def read_apart():
        chunks = PydanticAITactic(talker).aevents("x")
        found = []
        while True:
            try:
                found.append(await asyncio.create_task(anext(chunks)))
            except StopAsyncIteration:
                return found

    assert asyncio.run(read_apart())[-1].data == "one two three"


# --- the task that owns a stream


def test_the_owner_closes_where_it_opened():
    """The generator begins, goes on and ends in one task that is not the reader's, also when the reader leaves."""
    tasks = []

    async def source():
        tasks.append(asyncio.current_task())
        try:
            for number in range(100):
                yield number
        finally:
            tasks.append(asyncio.current_task())

    async def main():
        reader = asyncio.current_task()
        items = OwnedStream(source)
        assert [await anext(items), await anext(items)] == [0, 1]
        await items.aclose()
        assert tasks[0] is tasks[1]
        assert tasks[0] is not reader

    asyncio.run(main())


def test_the_owner_stays_only_a_little_ahead():
    """A reader that does not read stops the source."""
    made = []

    async def source():
        for number in range(1000):
            made.append(number)
            yield number

    async def main():
        items = OwnedStream(source)
        await anext(items)
        await asyncio.sleep(0.05)
        assert len(made) < 50
        assert [item async for item in items] == list(range(1, 1000))

    asyncio.run(main())


def test_what_the_source_raises_arrives_after_its_items():
    """Items first, then the exception; a reader that is cancelled cancels the source."""
    ended = asyncio.Event()

    async def failing():
        yield 1
        raise LookupError("no more")

    async def endless():
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def read_all(source, seen):
        async for item in OwnedStream(source):
            seen.append(item)

    async def main():
        seen = []
        with pytest.raises(LookupError, match="no more"):
            await read_all(failing, seen)
        assert seen == [1]
        task = asyncio.create_task(read_all(endless, seen))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(main())


def test_a_stream_that_is_closed_while_somebody_reads_ends_for_the_reader():
    """The reader is not cancelled: there is nothing more to read."""

    async def endless():
        yield 1
        await asyncio.Event().wait()

    async def main():
        items = OwnedStream(endless)
        assert await anext(items) == 1
        reader = asyncio.create_task(anext(items, "over"))
        await asyncio.sleep(0)
        await items.aclose()
        assert await reader == "over"
        assert await anext(items, "over") == "over"

    asyncio.run(main())

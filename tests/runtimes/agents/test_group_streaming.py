"""Streaming of agent groups: what agents write, while they write it, and then the output."""

import asyncio
import threading

import pytest
from pydantic import BaseModel

from lllm import CallContext, DeadlineExceeded, SchemaError, Tactic
from lllm_runtime_agents import BaseStreamHandler


class Child(Tactic, register=False):
    name = "child"
    agent_group = ["editor"]

    def call(self, task, **kwargs):
        editor = self.agents["editor"].open("edit")
        editor.receive(task)
        return editor.respond().content


class Parent(Tactic, register=False):
    """Its child works in a thread that inherits nothing."""

    name = "parent"
    agent_group = ["writer"]

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.child = Child(config)

    def call(self, task, **kwargs):
        writer = self.agents["writer"].open("write")
        writer.receive(task)
        draft, edited = writer.respond().content, []
        thread = threading.Thread(target=lambda: edited.append(self.child(draft)))
        thread.start()
        thread.join()
        return {"draft": draft, "edited": edited[0]}


@pytest.fixture
def parent(group_config):
    """A group whose writer and whose child's editor have something to say."""
    replies = {"writer": ["one two"] * 2, "editor": ["three four"] * 2}
    return Parent(group_config("writer", "editor", replies=replies))


OUTPUT = {"draft": "one two", "edited": "three four"}
PIECES = ["one ", "two", "three ", "four"]


def events(tactic, *args, **kwargs):
    """Return the events of a call."""

    async def read():
        return [event async for event in tactic.aevents(*args, **kwargs)]

    return asyncio.run(read())


def test_a_group_says_that_it_streams(parent):
    """Callers and services ask for it."""
    assert parent.capabilities() == {"run", "arun", "stream", "events"}
    assert parent.info().capabilities == ("arun", "events", "run", "stream")


def test_chunks_are_the_pieces_and_then_the_output(parent):
    """Those of tactics below are among them, from whatever thread."""
    assert list(parent.stream("begin")) == [*PIECES, OUTPUT]

    async def read():
        return [chunk async for chunk in parent.astream("begin")]

    assert asyncio.run(read()) == [*PIECES, OUTPUT]


def test_events_name_who_wrote(parent):
    """The last one is the result."""
    *texts, result = events(parent, "begin")
    assert [event.data for event in texts] == PIECES
    assert {event.kind for event in texts} == {"text"}
    assert [(event.metadata["tactic"], event.metadata["agent"]) for event in texts[1:3]] == [
        ("parent", "writer"),
        ("child", "editor"),
    ]
    assert (result.kind, result.data) == ("result", OUTPUT)


def test_awaiting_groups_stream_too(group_config):
    """`async def call` runs on the reader's loop."""

    class Awaiting(Tactic, register=False):
        agent_group = ["writer"]

        async def call(self, task, **kwargs):
            writer = self.agents["writer"].open("write")
            writer.receive(task)
            return (await writer.arespond()).content

    tactic = Awaiting(group_config("writer", script=["one two"]))
    assert [event.data for event in events(tactic, "begin")] == ["one ", "two", "one two"]


def test_the_own_handler_of_an_agent_still_hears(ask_class, group_config):
    """And an agent that streams to its group streams to the reader as well."""
    heard = []

    class Collector(BaseStreamHandler):
        def handle_chunk(self, chunk_content, chunk_response):
            heard.append(chunk_content)

    config = group_config("writer", script=["one two"])
    config["global"]["extra_settings"] = {"stream_handler": Collector()}
    assert list(ask_class(config).stream("begin")) == ["one ", "two", "one two"]
    assert heard == ["one ", "two"]


class Question(BaseModel):
    text: str


class Answer(BaseModel):
    words: int


class Typed(Tactic[Question, Answer], register=False):
    name = "typed"
    agent_group = ["writer"]

    def call(self, task, **kwargs):
        writer = self.agents["writer"].open("write")
        writer.receive(task.text)
        return {"words": writer.respond().content}


def test_both_sides_are_validated(group_config):
    """The input before anything runs, the output as the stream ends."""
    tactic = Typed(group_config("writer", script=["3", "many"]))
    with pytest.raises(SchemaError):
        tactic.stream({"words": 1})
    assert list(tactic.stream({"text": "count"})) == ["3", Answer(words=3)]
    with pytest.raises(SchemaError) as caught:
        list(tactic.stream({"text": "count"}))
    assert caught.value.direction == "output"
    with pytest.raises(SchemaError):
        events(Typed(group_config("writer", script=["many"])), {"text": "count"})


def test_a_failure_leaves_the_stream_with_its_session(group_config):
    """What was written before has been read, and was paid for."""

    class Failing(Tactic, register=False):
        agent_group = ["writer"]

        def call(self, task, **kwargs):
            writer = self.agents["writer"].open("write")
            writer.receive(task)
            writer.respond()
            raise ValueError("no more")

    read = []
    with pytest.raises(ValueError, match="no more") as caught:
        read.extend(Failing(group_config("writer", script=["one two"])).stream("begin"))
    session = caught.value.session
    assert (session.state, session.agent_call_count) == ("failure", 1)
    assert session.total_cost.cost == pytest.approx(0.01)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_leaving_early_stops_the_group(group_config, way):
    """It makes no further model call."""
    ended = threading.Event()

    class Endless(Tactic, register=False):
        agent_group = ["writer"]

        def call(self, task, **kwargs):
            writer = self.agents["writer"].open("write")
            try:
                while True:
                    writer.receive(task)
                    writer.respond()
            finally:
                ended.set()

    tactic = Endless(group_config("writer", delay=0.01))
    if way == "sync":
        stream = tactic.stream("begin")
        assert next(stream) == "echo:begin"
        stream.close()
    else:

        async def leave():
            stream = tactic.astream("begin")
            assert await anext(stream) == "echo:begin"
            await stream.aclose()

        asyncio.run(leave())
    assert ended.wait(30)


def test_a_deadline_ends_a_stream(group_config, ask_class):
    """While the model still thinks."""
    tactic = ask_class(group_config("writer", delay=1))
    with pytest.raises(DeadlineExceeded):
        events(tactic, "begin", context=CallContext().limit(0.05))


def test_nobody_hears_what_is_not_streamed(group_config, ask_class):
    """A plain call beside a stream is not part of it."""
    tactic = ask_class(group_config("writer"))

    async def both():
        plain = asyncio.create_task(tactic.acall("plain"))
        chunks = [chunk async for chunk in tactic.astream("streamed")]
        return chunks, await plain

    assert asyncio.run(both()) == (["echo:streamed", "echo:streamed"], "echo:plain")


def test_a_part_that_is_streamed_is_heard_above_too(group_config, ask_class):
    """Whether its owner calls it or reads its stream."""

    class Reading(Tactic, register=False):
        agent_group = []

        def __init__(self, config, part, **kwargs):
            super().__init__(config, **kwargs)
            self.part = part

        def call(self, task, **kwargs):
            return len(list(self.part.stream(task)))

    tactic = Reading(group_config(), ask_class(group_config("writer", script=["one two"])))
    assert list(tactic.stream("begin")) == ["one ", "two", 3]

"""Streaming replies: handlers, synchronous and asynchronous readers, early exits."""

import asyncio
import time

import pytest

from lllm_runtime_agents import BaseInvoker, BaseStreamHandler, InvokeResult, Message, tool


class Collector(BaseStreamHandler):
    def __init__(self):
        self.chunks = []

    def handle_chunk(self, chunk_content, chunk_response):
        self.chunks.append(chunk_content)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def read(agent, way):
    if way == "sync":
        return list(agent.stream())

    async def collect():
        return [item async for item in agent.astream()]

    return asyncio.run(collect())


def test_a_handler_sees_the_pieces(make_agent):
    """`respond` still returns the whole message."""
    handler = Collector()
    agent = make_agent("one two three", stream_handler=handler)
    assert agent.respond().content == "one two three"
    assert handler.chunks == ["one ", "two ", "three"]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_stream_ends_with_the_message(make_agent, way):
    """Pieces of text come first; together they are the content."""
    agent = make_agent("one two three")
    *pieces, message = read(agent, way)
    assert "".join(pieces) == message.content == "one two three"
    assert isinstance(message, Message)
    assert agent.current_dialog.tail is message


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_stream_runs_tools_and_repairs(make_agent, way):
    """The loop is the same as that of `respond`, and a handler of the agent still sees the pieces."""
    handler = Collector()
    script = [[{"name": "add", "arguments": {"a": 1, "b": 2}}], {"error": "bad"}, "three !"]
    agent = make_agent(*script, tools=[add], stream_handler=handler)
    items = read(agent, way)
    assert items[-1].content == "three !"
    assert items[:-1] == ["bad", "three ", "!"]
    assert handler.chunks == items[:-1]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_errors_leave_a_stream_as_they_are(make_agent, way):
    """The exception has its type and carries the record."""
    agent = make_agent(KeyError("gone"))
    with pytest.raises(KeyError, match="gone") as caught:
        read(agent, way)
    assert caught.value.agent_session.state == "failure"


class Slow(BaseInvoker):
    """Writes a word every few milliseconds, in whatever thread it is called."""

    def __init__(self):
        super().__init__()
        self.written = 0

    def call(self, dialog, model, *, stream_handler=None, **rest):
        for _ in range(500):
            time.sleep(0.005)
            self.written += 1
            stream_handler.handle_chunk("word ", None)
        return InvokeResult(message=Message(role="assistant", content="all", name="x"))


def test_leaving_a_stream_stops_the_invoker(make_agent):
    """A reader that goes away ends the work, and the record is a failure."""
    invoker = Slow()
    agent = make_agent(invoker=invoker)
    stream = agent.stream()
    assert next(stream) == "word "
    stream.close()
    written = invoker.written
    time.sleep(0.2)
    assert invoker.written <= written + 5
    assert len(agent.current_dialog.messages) == 1


def test_leaving_an_asynchronous_stream_stops_the_invoker(make_agent):
    """The same from an event loop."""
    invoker = Slow()
    agent = make_agent(invoker=invoker)

    async def run():
        stream = agent.astream()
        async for piece in stream:
            assert piece == "word "
            break
        await stream.aclose()
        written = invoker.written
        await asyncio.sleep(0.2)
        return written

    written = asyncio.run(run())
    assert invoker.written <= written + 5


def test_pieces_arrive_while_the_model_writes(make_agent):
    """A reader does not wait for the whole reply."""
    agent = make_agent(invoker=Slow())
    begun = time.monotonic()
    stream = agent.stream()
    next(stream)
    assert time.monotonic() - begun < 1.0
    stream.close()


def test_a_stream_without_a_dialog_is_refused_at_once(make_agent):
    """The error comes from the call, not from the first item."""
    agent = make_agent(open=False)
    with pytest.raises(RuntimeError, match="no active dialog"):
        agent.stream()
    with pytest.raises(RuntimeError, match="no active dialog"):
        agent.astream()

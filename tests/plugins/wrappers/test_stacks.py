"""All wrappers around each other and around a tactic behind HTTP, whose service is real."""

import asyncio
import threading
import time

import pytest
import uvicorn

from lllm import (
    CallContext,
    DeadlineExceeded,
    InMemoryProxyLog,
    RemoteTactic,
    SandboxTimeoutError,
    SchemaError,
    Tactic,
    TacticEvent,
    create_tactic_app,
    proxy_tactic,
    record_usage,
    sandbox_tactic,
)
from lllm_wrappers import cache, fallback, limit, retry


class Writer(Tactic[dict[str, str], str], register=False):
    """Costs a cent a call, streams words as events, and tells when its reader has gone."""

    name = "writer"

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.waiting = threading.Event()
        self.left = threading.Event()

    async def _arun(self, input_value, *, context=None):
        self.calls += 1
        record_usage("model", {"total_tokens": 2, "response_cost": 0.01})
        if input_value["text"] == "wait":
            await self._wait()
        return input_value["text"].upper()

    async def _aevents(self, input_value, *, context=None):
        self.calls += 1
        record_usage("model", {"total_tokens": 2, "response_cost": 0.01})
        for word in input_value["text"].split():
            yield TacticEvent(kind="text", data=word)
            if word == "wait":
                await self._wait()
        yield TacticEvent.result(input_value["text"])

    async def _wait(self):
        self.waiting.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.left.set()


@pytest.fixture
def writer():
    """The tactic of the service."""
    return Writer()


@pytest.fixture
def url(writer):
    """The service, in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(create_tactic_app(writer), port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def log():
    """What the proxy inside recorded."""
    return InMemoryProxyLog()


@pytest.fixture
def stack(url, log):
    """Every wrapper around the next."""
    remote = RemoteTactic(url, input_type=dict[str, str], output_type=str, timeout=50)
    inner = limit(proxy_tactic(remote, sink=log, capture_outputs=True), concurrency=3)
    sandboxed = sandbox_tactic(cache(inner), {"timeout_seconds": 40, "max_output_bytes": 10_000})
    with retry(fallback(sandboxed, remote), backoff=0) as stack:
        yield stack


async def collect(stream):
    """Read a stream to its end."""
    return [item async for item in stream]


def test_every_path_goes_through(stack, writer, log):
    """Types, capabilities, chunks and events are those of the tactic behind HTTP."""
    assert stack.capabilities() == {"run", "arun", "stream", "events"}
    assert (stack.info().input_schema, stack.info().output_schema) == (
        writer.info().input_schema,
        writer.info().output_schema,
    )
    assert stack.run({"text": "a b"}) == "A B"
    assert asyncio.run(stack.arun({"text": "c d"})) == "C D"
    assert list(stack.stream({"text": "a b"})) == ["a", "b", "a b"]
    assert asyncio.run(collect(stack.astream({"text": "c d"}))) == ["c", "d", "c d"]
    events = asyncio.run(collect(stack.aevents({"text": "e f"})))
    assert [(event.kind, event.data) for event in events] == [("text", "e"), ("text", "f"), ("result", "e f")]
    assert [record.state for record in log.records] == ["success"] * 5
    assert log.records[0].output_value == "A B"


def test_what_is_spent_behind_http_is_in_the_outermost_session(stack):
    """Once for work, not at all for what the cache gives, and for a stream as well."""
    first = stack.run({"text": "a"}, return_session=True)
    again = stack.run({"text": "a"}, return_session=True)
    assert (first.total_cost.cost, first.total_cost.total_tokens) == (pytest.approx(0.01), 2)
    assert (again.delivery, again.total_cost.cost) == ("A", 0.0)

    class Above(Tactic, register=False):
        def _run(self, input_value, *, context=None):
            return list(stack.stream(input_value))

    session = Above().run({"text": "x y"}, return_session=True)
    assert session.total_cost.cost == pytest.approx(0.01)


def test_bad_input_ends_at_the_outermost(stack, writer, log):
    """Nothing inside is called for what does not match."""
    with pytest.raises(SchemaError):
        stack.run({"text": 5})
    assert (writer.calls, log.records) == (0, [])


def test_cancelling_reaches_the_service(stack, writer, log):
    """Through every wrapper and the connection; the proxy has its record, and the place is free again."""

    async def main():
        task = asyncio.create_task(stack.arun({"text": "wait"}))
        assert await asyncio.to_thread(writer.waiting.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(writer.left.wait, 30)
        return await asyncio.gather(*(stack.arun({"text": str(number)}) for number in range(4)))

    assert asyncio.run(main()) == ["0", "1", "2", "3"]
    assert (log.records[0].state, log.records[0].error_type) == ("failure", "CancelledError")


@pytest.mark.parametrize("kind", ["stream", "astream", "aevents"])
def test_leaving_a_stream_reaches_the_service(stack, writer, log, kind):
    """A reader that closes early frees everything that was held for it."""

    async def main():
        chunks = getattr(stack, kind)({"text": "wait more"})
        await anext(chunks)
        await chunks.aclose()

    if kind == "stream":
        chunks = stack.stream({"text": "wait more"})
        next(chunks)
        chunks.close()
    else:
        asyncio.run(main())
    assert writer.left.wait(30)
    assert log.records[0].state == "failure"
    assert list(stack.stream({"text": "a"})) == ["a", "a"]


def test_deadlines_reach_the_service(stack, writer):
    """The caller's own, on both paths; nothing is tried again when it has passed."""
    with pytest.raises(DeadlineExceeded):
        stack.run({"text": "wait"}, context=CallContext().limit(0.3))
    assert writer.left.wait(30)
    with pytest.raises(DeadlineExceeded):
        asyncio.run(stack.arun({"text": "wait"}, context=CallContext().limit(0.3)))
    assert writer.calls == 2


def test_a_time_limit_in_the_middle_reaches_the_service(url, writer):
    """A sandbox between the wrappers ends the work behind HTTP."""
    with retry(
        sandbox_tactic(limit(RemoteTactic(url), concurrency=1), {"timeout_seconds": 0.3}), attempts=1
    ) as stack:
        with pytest.raises(SandboxTimeoutError):
            stack.run({"text": "wait"})
        assert writer.left.wait(30)
        assert stack.run({"text": "a"}) == "A"

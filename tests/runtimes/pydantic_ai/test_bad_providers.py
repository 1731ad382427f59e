"""Providers that answer nonsense, break off, repeat the key or never stop talking, over a real connection."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from lllm_runtime_pydantic_ai import AgentError, ModelError, PydanticAITactic

KEY = "sk-proj-" + "aB3dE6gH" * 5


class Provider:
    """A server that answers every request with the same bytes.

    Attributes:
        status: HTTP status of the answers.
        body: What is answered; of a stream, one event after the other.
        endless: Whether a stream repeats its last event until its reader has gone.
        left: Set when a reader went away from an endless stream.
    """

    def __init__(self):
        self.status, self.body, self.endless = 200, b"", False
        self.left = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(provider):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            return

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            streams = body.get("stream") and isinstance(provider.body, list)
            answer = provider.body(self.headers) if callable(provider.body) else provider.body
            self.close_connection = True
            self.send_response(provider.status)
            self.send_header("connection", "close")
            self.send_header("content-type", "text/event-stream" if streams else "application/json")
            self.end_headers()
            if not streams:
                self.wfile.write(answer)
                return
            for event in answer:
                self.wfile.write(b"data: " + event + b"\n\n")
            try:
                while provider.endless:
                    self.wfile.write(b"data: " + answer[-1] + b"\n\n")
            except OSError:
                provider.left.set()

    return Handler


@pytest.fixture
def provider():
    """A provider to be told what to answer."""
    with Provider() as running:
        yield running


@pytest.fixture
def tactic(provider):
    """An agent on that provider, as a tactic."""
    openai = OpenAIProvider(base_url=provider.url, api_key=KEY)
    openai.client.max_retries = 0
    return PydanticAITactic(Agent(OpenAIChatModel("gpt-4o", provider=openai), name="poor"))


def piece(text):
    """Return one event of a streamed reply."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    return json.dumps({**chunk, "choices": [choice]}).encode()


async def read(items):
    """Read an asynchronous iterator to its end."""
    async for _ in items:
        pass


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{nope",
        b"<html>down</html>",
        b"[]",
        b'{"choices": "none"}',
        b'{"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}',
    ],
)
def test_nonsense_is_a_typed_error(provider, tactic, answer):
    """Whatever the library stumbles over, on either kind of path, is the agent's error with the cause."""
    provider.body = answer
    with pytest.raises(AgentError) as caught:
        tactic.run("x")
    assert caught.value.__cause__ is not None
    with pytest.raises(AgentError):
        asyncio.run(read(tactic.aevents("x")))


def test_an_answer_without_choices_names_the_model(provider, tactic):
    """The library raises an IndexError; the tactic says whose it is."""
    provider.body = b'{"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}'
    with pytest.raises(ModelError, match="Model `gpt-4o` of agent `poor` failed") as caught:
        tactic.run("x")
    assert (caught.value.model, caught.value.agent) == ("gpt-4o", "poor")


@pytest.mark.parametrize("last", [b"{nope", b'{"error": {"message": "exploded", "code": 500}}'])
def test_a_stream_that_goes_wrong_after_its_beginning(provider, tactic, last):
    """What was said arrives, then the error."""
    provider.body = [piece("hello "), last]
    said = []
    with pytest.raises(ModelError):
        said.extend(tactic.stream("x"))
    assert said == ["hello "]


@pytest.mark.parametrize("path", ["stream", "astream", "aevents"])
def test_leaving_a_stream_closes_the_connection(provider, tactic, path):
    """The provider, which would never stop, notices that its reader has gone."""
    provider.body, provider.endless = [piece("and ")], True

    async def leave():
        async for _ in getattr(tactic, path)("x"):
            break

    if path == "stream":
        stream = tactic.stream("x")
        next(stream)
        stream.close()
    else:
        asyncio.run(leave())
    assert provider.left.wait(10)


def test_cancelling_a_call_closes_the_connection(provider, tactic):
    """No task of the call is left when the cancelled one has ended."""
    provider.body, provider.endless = [piece("and ")], True

    async def cancel():
        begun = asyncio.Event()

        async def listen():
            async for _ in tactic.aevents("x"):
                begun.set()

        task = asyncio.create_task(listen())
        await begun.wait()
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled(), asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(cancel()) == (True, set())
    assert provider.left.wait(10)


def test_a_key_that_the_provider_repeats_is_told_nowhere(provider, tactic):
    """Neither in the error, nor in the session or the trace that records it, its traceback included."""
    provider.status = 401
    provider.body = lambda headers: json.dumps(
        {"error": {"message": f"Incorrect API key: {headers['authorization']}", "code": "invalid_api_key"}}
    ).encode()
    with pytest.raises(ModelError) as caught:
        tactic.run("x")
    session = caught.value.session
    trace = tactic.run("x", return_trace=True).trace
    for text in (str(caught.value), session.model_dump_json(), trace.model_dump_json()):
        assert "Incorrect API key" in text
        assert KEY not in text

"""The face over a real server on this machine: `create_app`, `sssn serve`, clients, the command, the flow."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
import uvicorn
from pydantic import BaseModel

from lllm import Tactic
from sssn import (
    AsyncSSSNClient,
    Event,
    LocalStore,
    SSSNClient,
    SSSNClientError,
    SSSNResolver,
    create_app,
    endpoint,
    open_store,
)
from sssn.cli import main


class Message(BaseModel):
    text: str


class Summary(BaseModel):
    summary: str


class Summarise(Tactic[Message, Summary]):
    name = "summarise"

    def _run(self, input_value, *, context=None):
        return Summary(summary=input_value.text.upper())


@endpoint.get("/channels/{name}/count", scope="channel")
def count_events(store, name):
    """Count the events."""
    return {"count": store.head(name)}


@pytest.fixture
def local(tmp_path):
    """The store behind the server."""
    with LocalStore(tmp_path / "served") as store:
        yield store


@pytest.fixture
def url(local):
    """The address of a running server."""
    app = create_app(local, custom_endpoints=[count_events])
    assert (app.title, app.state.sssn_store) == ("SSSN Store", local)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def flow(store):
    """The loop of the user's documents: pull, run the tactic, append what it answers."""
    store.create_channel({"name": "raw", "schema": "demo.RawMessage"})
    store.create_channel({"name": "analysis", "schema": "demo.AnalysisMessage"})
    sub = store.create_subscription("raw", consumer="processor", filters={"kind": "message"})
    store.append_event(
        Event(
            channel="raw",
            source="example",
            kind="message",
            payload={"text": "hello"},
            correlation_id="episode-1",
        )
    )
    tactic = Summarise()
    for event in store.pull_subscription(sub.id):
        result = tactic.run(event.payload)
        store.append_event(
            Event(
                channel="analysis",
                source="processor",
                kind="analysis",
                payload=result.model_dump(),
                correlation_id=event.correlation_id or event.id,
                parent_ids=(event.id,),
            )
        )


def test_the_flow_over_http(url, local):
    """The same code with a store behind HTTP, and what it wrote is in the local one."""
    with open_store(url) as store:
        flow(store)
        assert [event.payload for event in store.trace("episode-1")] == [
            {"text": "hello"},
            {"summary": "HELLO"},
        ]
    raw, analysis = local.trace("episode-1")
    assert analysis.parent_ids == (raw.id,)


def test_the_flow_with_a_client(url, local):
    """`SSSNClient` has the methods of the flow too."""
    with SSSNClient(url) as client:
        flow(client)
    assert local.query_events("analysis")[0].payload == {"summary": "HELLO"}


def test_local_and_remote_snapshots_are_identical(url, local):
    """A value that looks like a request body is stored as the value it is, whoever writes it."""
    value = {"value": 1, "metadata": {"a": None}, "channel": "x"}
    wanted = local.put_snapshot({"name": "local", "value": value, "timestamp": 1.0})
    with SSSNClient(url) as client:
        made = client.put_snapshot("remote", value, timestamp=1.0)
        assert made.value == wanted.value == value
        assert local.get_snapshot("remote").value == value


def test_names_with_marks(url, local):
    """`?` and `#` are part of the name, not of the URL."""
    for name in ("a", "a?x=1", "a#b", "a&b@c", "ünï"):
        local.create_channel({"name": name})
    with SSSNClient(url) as client:
        for name in ("a?x=1", "a#b", "a&b@c", "ünï"):
            assert client.get_channel(name).name == name
            assert client.append_event({"channel": name}).channel == name
        assert client.query_events("a") == ()


def test_client_errors_from_a_server(url):
    """The server's class and text arrive."""
    with SSSNClient(url) as client:
        with pytest.raises(SSSNClientError) as error:
            client.get_channel("x")
        assert (
            str(error.value) == "SSSN server returned HTTP 404 (ChannelNotFoundError): Channel not found: x"
        )
        client.create_channel({"name": "raw"})
        with pytest.raises(SSSNClientError) as error:
            client.query_events("raw", limit=0)
        assert (error.value.status_code, error.value.error_type) == (400, "InvalidPayloadError")


def test_the_async_client(url):
    """The same over an event loop, waiting included."""

    async def use():
        async with AsyncSSSNClient(url) as client:
            await client.create_channel({"name": "raw"})
            waiting = asyncio.ensure_future(client.wait_events("raw", after_cursor=0, timeout=10.0))
            await asyncio.sleep(0.05)
            sent = await client.append_event({"channel": "raw", "payload": 1})
            return sent, await waiting

    sent, received = asyncio.run(use())
    assert received == (sent,)


def test_custom_endpoints(url, local):
    """A decorated function is a route beside the built-in ones."""
    local.create_channel({"name": "raw"})
    local.append_event({"channel": "raw"})
    assert httpx.get(f"{url}/channels/raw/count").json() == {"count": 1}


def test_a_resolver_to_a_server(url, local):
    """A ref bound to a URL opens as a store and as a client."""
    local.create_channel({"name": "raw"})
    resolver = SSSNResolver()
    resolver.bind("psi://demo/events/channels/raw", url=url)
    with resolver.client("psi://demo/events/channels/raw") as client:
        assert client.get_channel("raw").name == "raw"
    with resolver.open("psi://demo/events/channels/raw") as store:
        assert store.head("raw") == 0


def test_the_command_on_a_url(url, local, tmp_path, monkeypatch, capsys):
    """Every command works on a served store; its errors read as those of a local one."""
    monkeypatch.chdir(tmp_path)

    def sssn(*arguments):
        code = main(["--store", url, *arguments])
        return code, capsys.readouterr().out

    sssn("create-channel", "raw")
    sssn("append", "raw", "1", "--id", "e1", "--correlation-id", "c")
    assert sssn("trace", "c", "--format", "text")[1].startswith("raw #1  event")
    assert sssn("check")[0] == 0
    assert sssn("export", "all.jsonl") == (0, "")
    assert sssn("migrate", url, "copy")[0] == 0
    with LocalStore(tmp_path / "copy") as copy:
        assert copy.query_events("raw") == local.query_events("raw")
    with pytest.raises(SystemExit) as end:
        sssn("get-channel", "x")
    assert end.value.code == 2
    assert "sssn: error: Channel not found: x" in capsys.readouterr().err


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_sssn_serve(tmp_path):
    """The command serves until it is interrupted; the token of the environment is required."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "sssn",
        "serve",
        "--port",
        str(port),
        "--token-env",
        "TOKEN",
        "--log-level",
        "error",
    ]
    environment = {**os.environ, "TOKEN": "t0k"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                assert httpx.get(f"{url}/health").json() == {"ok": True}
                break
            except httpx.TransportError:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.05)
        with open_store(url, token="t0k") as store:
            store.create_channel({"name": "raw"})
        assert httpx.get(f"{url}/channels").status_code == 401
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (out, "Traceback" in err) == ("", False)
    assert (tmp_path / ".sssn" / "sssn.sqlite").is_file()

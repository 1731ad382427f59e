"""Seeds 001 to 003, where they speak of services: against a real server process, called as their reader would."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lllm import CallContext, RemoteTactic, SchemaError, TacticResolver

LLLM = str(Path(sys.executable).parent / "lllm")
REF = "psi://demo/briefs/tactics/brief"
VARIABLE = "LLLM_REF_DEMO__BRIEFS__TACTICS__BRIEF"
PORT = "127.0.0.1:8000"

CALL_SHAPE = """\
{
  "input": {"text": "hello"},
  "context": {
    "request_id": "req-1",
    "trace_id": "trace-1",
    "metadata": {"caller": "demo"}
  }
}
"""

TACTIC = """\
from pydantic import BaseModel
from lllm import Tactic


class EchoInput(BaseModel):
    text: str


class EchoOutput(BaseModel):
    text: str


class EchoTactic(Tactic[EchoInput, EchoOutput]):
    name = "echo"
    input_type = EchoInput
    output_type = EchoOutput

    def _run(self, input_value, *, context=None):
        return EchoOutput(text=input_value.text.upper())
"""

TRACE = """\
result = tactic.run(
    {"text": "hello"},
    context=CallContext(trace_id="trace-1"),
    return_trace=True,
)

assert result.trace.state == "success"
"""

BRIEF = '''
from lllm import Tactic, TacticEvent


class Brief(Tactic[dict[str, str], str]):
    """Say what a topic is about."""

    name = "brief"

    def _run(self, input_value, *, context=None):
        return f"About {input_value['topic']}."

    def _stream(self, input_value, *, context=None):
        yield "About "
        yield TacticEvent(kind="topic", data=input_value["topic"])
        yield TacticEvent.result(f"About {input_value['topic']}.", model="none")


def build_brief():
    return Brief(
        examples=[{"input": {"topic": "refs"}, "token": "hush"}],
        metadata={"team": "docs", "api_key": "hush", "api_key_ref": "openai.default"},
    )
'''

REMOTE = """\
[refs."psi://demo/briefs/tactics/brief"]
url = "http://127.0.0.1:8000"

[refs."psi://demo/briefs/services/api"]
url = "http://127.0.0.1:8000"
"""

RESOLVE = """\
resolver = TacticResolver.from_config(".")
tactic = resolver.resolve("psi://demo/briefs/tactics/brief")
"""

MIXED = (
    REMOTE
    + """
[refs."psi://demo/briefs/channels/events"]
store = ".sssn"
"""
)

METADATA = """\
[refs."psi://demo/briefs/tactics/brief".metadata]
timeout_s = 30
api_key_ref = "openai.default"
"""


def free_address():
    """Return an address of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def fetch(url, body=None):
    """Return the parsed answer to a GET, or to a POST of JSON text."""
    headers = {} if body is None else {"content-type": "application/json"}
    request = urllib.request.Request(url, None if body is None else body.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


@pytest.fixture
def serve(page):
    """Run `lllm serve` in the page's directory and return the address, once it is well."""
    page.write("tactics.py", TACTIC)
    page.write("briefs.py", BRIEF)
    running = []

    def start(entry, *options, **environment):
        address = free_address()
        command = [LLLM, "serve", entry, "--port", address.partition(":")[2], *options]
        process = subprocess.Popen(
            command, cwd=page.directory, env={**os.environ, **environment}, stderr=subprocess.PIPE
        )
        running.append(process)
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            try:
                fetch(f"http://{address}/health")
            except (OSError, ValueError):
                time.sleep(0.05)
            else:
                return address
        process.kill()
        raise AssertionError(process.communicate()[1].decode())

    yield start
    for process in running:
        process.terminate()
    for process in running:
        process.communicate(timeout=30)


def both(tactic, value):
    """Return what a tactic gives on each of its paths: run, arun, stream, astream and aevents."""

    async def later():
        return (
            await tactic.arun(value),
            [chunk async for chunk in tactic.astream(value)],
            [(event.kind, event.data) async for event in tactic.aevents(value)],
        )

    return (tactic.run(value), list(tactic.stream(value)), *asyncio.run(later()))


def test_the_call_shape_is_what_a_service_takes(serve):
    """Seed 001: the envelope, verbatim, to `POST /run`; raw JSON too; run, stream, info and health are there."""
    url = f"http://{serve('tactics:EchoTactic')}"
    answer = {"output": {"text": "HELLO"}, "request_id": "req-1", "tactic": "echo"}
    assert fetch(f"{url}/run", CALL_SHAPE) == answer
    assert fetch(f"{url}/run", '{"text": "hello"}')["output"] == {"text": "HELLO"}
    assert fetch(f"{url}/health") == {"ok": True, "tactics": ["echo"]}
    assert fetch(f"{url}/info")["input_schema"]["properties"]["text"]["type"] == "string"
    with pytest.raises(urllib.error.HTTPError, match="400"):
        fetch(f"{url}/stream", CALL_SHAPE)


def test_local_and_remote_calls_are_the_same(serve, page):
    """Seeds 001 and 002: one boundary. Results, errors, traces and schemas do not tell where the work is done."""
    page.run(TACTIC)
    local = page.names["EchoTactic"]()
    types = {"input_type": local.input_type, "output_type": local.output_type}
    with RemoteTactic(f"http://{serve('tactics:EchoTactic')}", **types) as remote:
        for tactic in (local, remote):
            page.names |= {"tactic": tactic, "CallContext": CallContext}
            page.run(TRACE)
            trace = page.names["result"].trace
            assert page.names["result"].output == local.output_type(text="HELLO")
            assert trace.latency_ms > 0
            assert asyncio.run(tactic.arun({"text": "a"})).text == "A"
            with pytest.raises(SchemaError, match="EchoInput"):
                tactic.run({"text": 5})
    with RemoteTactic(remote.service_ref) as untyped:
        described, known = untyped.info(), local.info()
        for field in ("description", "input_schema", "output_schema", "capabilities"):
            assert getattr(described, field) == getattr(known, field)
        with pytest.raises(SchemaError, match="EchoInput"):
            untyped.run({"text": 5})


def test_streams_are_chunks_or_events_and_metadata_is_filtered(serve):
    """Seed 001: both forms of a stream cross the boundary; what is shaped like a secret does not."""
    url = f"http://{serve('briefs:build_brief')}"
    with RemoteTactic(url) as tactic:
        run, stream, arun, astream, events = both(tactic, {"topic": "refs"})
        info = tactic.info()
    assert run == arun == "About refs."
    assert stream == astream == ["About ", "refs", "About refs."]
    assert events == [("message", "About "), ("topic", "refs"), ("result", "About refs.")]
    assert info.description == "Say what a topic is about."
    assert fetch(f"{url}/info")["metadata"] == {"team": "docs", "api_key_ref": "openai.default"}
    assert "hush" not in json.dumps(fetch(f"{url}/info")) + json.dumps(fetch(f"{url}/tactics"))


@pytest.mark.parametrize("config", [REMOTE, MIXED])
def test_a_bound_ref_is_called_like_a_local_tactic(serve, page, config):
    """Seed 003: the blocks on remote bindings, with the port that this machine has free."""
    address = serve("briefs:build_brief")
    page.write(".psi/config.toml", config.replace(PORT, address))
    page.names["TacticResolver"] = TacticResolver
    page.run(RESOLVE)
    resolver, tactic = page.names["resolver"], page.names["tactic"]
    assert isinstance(tactic, RemoteTactic)
    assert both(tactic, {"topic": "refs"})[0] == "About refs."
    assert resolver.run(REF, {"topic": "LLLM refs"}) == "About LLLM refs."
    assert list(resolver.stream(REF, {"topic": "a"})) == ["About ", "a", "About a."]
    assert tactic.info().output_schema == {"type": "string"}
    assert fetch(resolver.service_url("psi://demo/briefs/services/api") + "/health")["ok"] is True
    tactic.close()


def test_the_metadata_of_a_binding_is_used(serve, page, monkeypatch):
    """Seed 003: `timeout_s` limits the client; `api_key_ref` names the credential, which the service asks for."""
    address = serve("briefs:build_brief", "--token-env", "BRIEF_TOKEN", BRIEF_TOKEN="hush" * 8)
    page.write(".psi/config.toml", (REMOTE + METADATA).replace(PORT, address))
    resolver = TacticResolver.from_config(".")
    tactic = resolver.resolve(REF)
    assert tactic.timeout == 30.0
    assert (tactic.metadata["timeout_s"], tactic.metadata["api_key_ref"]) == (30, "openai.default")
    monkeypatch.setenv("LLLM_CREDENTIAL_OPENAI_DEFAULT", "hush" * 8)
    assert resolver.run(REF, {"topic": "a"}) == "About a."
    assert "hush" not in repr(tactic) + tactic.info().model_dump_json() + str(vars(tactic))
    tactic.close()


def test_the_environment_moves_a_ref(serve, page, monkeypatch):
    """The config stays as it is in the seed; the variable says where the service is today."""
    page.write(".psi/config.toml", REMOTE)
    monkeypatch.setenv(VARIABLE, f"http://{serve('briefs:build_brief')}")
    resolver = TacticResolver.from_config(".")
    assert resolver.run(REF, {"topic": "a"}) == "About a."
    resolver.resolve(REF).close()


def lllm(page, *words, **environment):
    """Run the command line in the page's directory."""
    return subprocess.run(
        [LLLM, *words],
        cwd=page.directory,
        env={**os.environ, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_calls_and_checks_bound_services(serve, page):
    """`lllm call` takes the ref or the URL, `lllm refs --check` asks both services for their health."""
    address = serve("briefs:build_brief")
    page.write(".psi/config.toml", REMOTE.replace(PORT, address))
    for target in (REF, f"http://{address}"):
        done = lllm(page, "call", target, '{"topic": "refs"}')
        assert (done.returncode, json.loads(done.stdout)) == (0, "About refs."), done.stderr
        done = lllm(page, "call", target, '{"topic": "refs"}', "--stream")
        assert done.stdout.splitlines() == ['"About "', '"refs"', '"About refs."']
    done = lllm(page, "call", REF, '{"topic": 5}')
    assert done.returncode == 2
    assert "does not match schema" in done.stderr
    assert "Traceback" not in done.stderr
    done = lllm(page, "refs", "--check", "--json")
    assert (done.returncode, [row["health"] for row in json.loads(done.stdout)]) == (0, ["ok", "ok"])
    page.write(".psi/config.toml", REMOTE.replace(PORT, free_address()))
    done = lllm(page, "refs", "--check")
    assert done.returncode == 1
    assert done.stdout.count("failed:") == 2
    done = lllm(page, "call", REF, '{"topic": "refs"}')
    assert (done.returncode, done.stdout) == (1, "")
    assert "could not be reached" in done.stderr
    assert "Traceback" not in done.stderr

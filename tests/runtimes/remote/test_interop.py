"""The same client program and the same service, each with this version of the protocol and with lllm-core 0.2.1.

The older one runs in an environment of its own: LLLM_TEST_CORE_021 names the Python that has `lllm-core==0.2.1` with
its client and server extras. Without it only this version calls itself, in two real processes.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request

import pytest

OTHER = os.environ.get("LLLM_TEST_CORE_021", "")
PEERS = [
    pytest.param(sys.executable, sys.executable, id="ours-ours"),
    *(
        pytest.param(
            *pair,
            id=name,
            marks=pytest.mark.skipif(
                not OTHER, reason="LLLM_TEST_CORE_021 names no Python with lllm-core 0.2.1"
            ),
        )
        for name, pair in {
            "ours-theirs": (sys.executable, OTHER),
            "theirs-ours": (OTHER, sys.executable),
        }.items()
    ),
]

SERVICE = """
import socket, sys, uvicorn
from pydantic import BaseModel
from lllm import Tactic, create_tactic_app

class Text(BaseModel):
    text: str

class Shout(Tactic):
    name = "shout"
    input_type = Text
    output_type = Text

    def _run(self, value, *, context=None):
        if value.text == "fail":
            raise ValueError("cannot handle fail")
        return Text(text=value.text.upper())

    async def astream(self, value, *, context=None, **options):
        text = value["text"] if isinstance(value, dict) else value.text
        for letter in text:
            if letter == "!":
                raise ValueError("cannot go on")
            yield letter

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
server = uvicorn.Server(uvicorn.Config(create_tactic_app(Shout()), log_level="error"))
server.run(sockets=[listener])
"""

CLIENT = """
import asyncio, json, sys
from lllm import CallContext, RemoteTactic, RemoteTacticError

tactic = RemoteTactic(sys.argv[1])
told = {"run": tactic.run({"text": "hi"}, context=CallContext(request_id="req-1", trace_id="t1"))}
told["arun"] = asyncio.run(tactic.arun({"text": "hi"}))
info = tactic.fetch_info()
told["info"] = [info.name, sorted(info.input_schema["properties"]), sorted(info.output_schema["properties"])]
told["stream"] = list(tactic.stream({"text": "ab"}))

async def events(text):
    return [[event.kind, event.data] async for event in tactic.aevents({"text": text})]

told["events"] = asyncio.run(events("ab"))
told["broken"] = asyncio.run(events("a!"))
for name, value in {"failure": {"text": "fail"}, "mismatch": {"text": 1}}.items():
    try:
        tactic.run(value, context=CallContext(request_id="req-2"))
    except RemoteTacticError as error:
        fields = [getattr(error, field, None) for field in ("status_code", "error_type", "tactic", "request_id")]
        told[name] = fields
print(json.dumps(told))
"""


@pytest.fixture
def service(tmp_path):
    """A function that serves the tactic with a Python of the test's choice and returns its URL."""
    running = []

    def serve(python):
        process = subprocess.Popen([python, "-c", SERVICE], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        running.append(process)
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2).close()
            except OSError:
                time.sleep(0.02)
            else:
                break
        return f"{url}/tactics/shout"

    yield serve
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("client", "server"), PEERS)
def test_a_client_is_told_the_same_by_either_server(service, tmp_path, client, server):
    """Outputs, descriptions, pieces, events and errors do not depend on who speaks."""
    command = [client, "-c", CLIENT, service(server)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["run"], told["arun"]) == ({"text": "HI"}, {"text": "HI"})
    assert told["info"] == ["shout", ["text"], ["text"]]
    assert told["stream"] == ["a", "b"]
    messages = [["message", "a"], ["message", "b"]]
    assert [event for event in told["events"] if event[0] == "message"] == messages
    assert told["broken"] == [["message", "a"], ["error", {"message": "cannot go on"}]]
    assert told["failure"] == [500, "ValueError", "shout", "req-2"]
    assert told["mismatch"] == [400, "SchemaError", "shout", "req-2"]

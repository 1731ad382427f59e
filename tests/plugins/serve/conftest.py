"""Served tactics: in process for exact bodies, on a real port for what needs connections."""

import asyncio
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
import uvloop
from pydantic import BaseModel
from starlette.testclient import TestClient

from lllm import Tactic, create_service_app, create_tactic_app


class EchoIn(BaseModel):
    text: str


class EchoOut(BaseModel):
    text: str


class Echo(Tactic[EchoIn, EchoOut], register=False):
    """Says it louder."""

    name = "echo"

    async def _arun(self, input_value, *, context=None):
        return EchoOut(text=input_value.text.upper())


class Untyped(Tactic, register=False):
    """Gives back what it gets."""

    name = "raw"

    async def _arun(self, input_value, *, context=None):
        return input_value


class ContextTactic(Tactic, register=False):
    """Gives back its context."""

    name = "seen"

    async def _arun(self, input_value, *, context=None):
        return json.loads(context.model_dump_json())


def of(work, *, name="work", input_type=None, output_type=None, **attributes):
    """Return a tactic that does `work(value, context)`: a plain or async function, or a generator."""
    if inspect.isasyncgenfunction(work):
        method = "_astream"

        async def call(self, input_value, *, context=None):
            async for item in work(input_value, context):
                yield item
    elif inspect.isgeneratorfunction(work):
        method = "_stream"

        def call(self, input_value, *, context=None):
            yield from work(input_value, context)
    elif inspect.iscoroutinefunction(work):
        method = "_arun"

        async def call(self, input_value, *, context=None):
            return await work(input_value, context)
    else:
        method = "_run"

        def call(self, input_value, *, context=None):
            return work(input_value, context)

    namespace = {
        "name": name,
        "input_type": input_type,
        "output_type": output_type,
        method: call,
        **attributes,
    }
    return type("Made", (Tactic,), namespace, register=False)()


@pytest.fixture
def make():
    """The function that makes a tactic of a function."""
    return of


@pytest.fixture
def echo():
    """A typed asynchronous tactic."""
    return Echo()


@pytest.fixture
def untyped():
    """A tactic that gives back what it gets."""
    return Untyped()


@pytest.fixture
def seen():
    """A tactic that gives back its context."""
    return ContextTactic()


@pytest.fixture
def client():
    """A function that returns an in-process client of one tactic, or of several in a list."""
    with ExitStack() as stack:

        def open_client(tactics, *, headers=None, **options):
            several = isinstance(tactics, (list, dict))
            app = create_service_app(tactics, **options) if several else create_tactic_app(tactics, **options)
            client = TestClient(
                app, base_url="http://127.0.0.1", headers=headers, raise_server_exceptions=False
            )
            return stack.enter_context(client)

        yield open_client


def error_of(response):
    """Return the error of a failed request; its nesting and its keys are fixed."""
    body = response.json()
    assert list(body) == ["detail"]
    assert list(body["detail"]) == ["error"]
    error = body["detail"]["error"]
    assert list(error) == ["type", "message", "tactic", "endpoint", "request_id", "metadata"]
    return error


@pytest.fixture(name="error_of")
def error_of_fixture():
    """The function that takes the error out of a response."""
    return error_of


class RunningServer:
    """An application behind a real uvicorn server in a thread."""

    def __init__(self, app, server, loop):
        self.app = app
        self.server = server
        self.loop = loop
        self.port = server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def service(self):
        """The running side of the application."""
        return self.app.state.lllm_service

    def drain(self):
        """Stop the service as a signal would; return when that is done."""

        async def start():
            await self.service.drain()

        asyncio.run_coroutine_threadsafe(start(), self.loop).result(20)

    def request(self, path, body=None, *, method=None, headers=None, timeout=20):
        """Return status, headers and body of one request."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def connect(self, data=b""):
        """Return a socket that is connected, after sending some bytes."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        if data:
            connection.sendall(data)
        return connection

    def call(self, path, body):
        """Return a socket on which a request has been sent."""
        return self.connect(raw_request(path, body))


def raw_request(path, body, *headers, method="POST"):
    """Return the bytes of a request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@pytest.fixture(name="raw_request")
def raw_request_fixture():
    """The function that writes a request by hand."""
    return raw_request


@contextmanager
def running(app):
    """Run an application on a free port of this machine."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    loops = []

    async def serve_here():
        loops.append(asyncio.get_running_loop())
        await server.serve()

    thread = threading.Thread(target=lambda: uvloop.run(serve_here()))
    thread.start()
    until = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.005)
    assert server.started
    try:
        yield RunningServer(app, server, loops[0])
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def serve():
    """A function that serves one tactic, or several in a list, on a real port."""
    with ExitStack() as stack:

        def start(tactics, **options):
            several = isinstance(tactics, (list, dict))
            app = create_service_app(tactics, **options) if several else create_tactic_app(tactics, **options)
            return stack.enter_context(running(app))

        yield start


def wait_for(condition, seconds=5.0):
    """Wait until something holds; return how long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it does not happen"
        time.sleep(0.002)
    return time.monotonic() - begun


@pytest.fixture(name="wait_for")
def wait_for_fixture():
    """The function that waits until something holds."""
    return wait_for


@pytest.fixture
def program(tmp_path):
    """A function that runs `lllm serve` in a process of its own, and returns the process and its URL."""
    processes = []
    ports = ExitStack()

    def start(source, *arguments, env=None, port=None):
        (tmp_path / "served.py").write_text(source)
        port = free_port(ports) if port is None else port
        command = [sys.executable, "-c", "from lllm.cli import main; main()", "serve", *arguments]
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--port", str(port)],
                cwd=tmp_path,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        processes.append(process)
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            try:
                urllib.request.urlopen(url + "/health", timeout=2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return process, url
        raise AssertionError((tmp_path / "log").read_text())

    yield start
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(20)
    ports.close()


def free_port(stack):
    """Return a port that nobody else is given: Linux lets a server bind it although it is held here."""
    held = stack.enter_context(socket.socket())
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    if sys.platform != "linux":
        held.close()
    return port

"""The program `lllm serve`: its options, and processes that serve, drain and die."""

import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from lllm import RemoteTactic, TacticServiceError
from lllm.cli.program import make_program
from lllm_serve import launch as launching
from lllm_serve.launch import ServePlan, app_of_environment, build_app

SOURCE = """
import asyncio, os, sys, time
from lllm import Tactic, endpoint


async def leave():
    sys.exit(3)


class Echo(Tactic[str, str]):
    name = "echo"

    async def _arun(self, input_value, *, context=None):
        if input_value == "exit":
            os._exit(3)
        if input_value == "wait":
            open("waiting", "w").close()
            while not os.path.exists("enough"):
                await asyncio.sleep(0.02)
        if input_value == "leave":
            await asyncio.gather(leave())
        if input_value == "block":
            open("blocked", "w").close()
            time.sleep(60)
        return input_value.upper()


class Second(Tactic):
    name = "second"

    def _run(self, input_value, *, context=None):
        if input_value == "hang":
            time.sleep(60)
        return os.getpid()
"""


def post(url, body, **headers):
    """Return status and body of a call."""
    given = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, json.dumps(body).encode(), given)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_command_serves_one_tactic(program, tmp_path, wait_for):
    """At the short paths; requests are logged as JSON lines."""
    _, url = program(SOURCE, "served:Echo")
    assert post(url + "/run", "hi")[1]["output"] == "HI"
    wait_for(lambda: '"/run"' in (tmp_path / "log").read_text())
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (call,) = [line for line in lines if line.get("path") == "/run"]
    assert (call["status"], call["tactic"], call["logger"]) == (200, "echo", "lllm.serve.access")


def test_the_command_serves_several_tactics_and_a_store(program, tmp_path):
    """Below their names, with the store's routes on the same application."""
    process, url = program(SOURCE, "served:Echo", "served:Second", "--store", str(tmp_path / "store"))
    assert post(url + "/tactics/echo/run", "hi")[1]["output"] == "HI"
    assert post(url + "/tactics/second/run", 1)[1]["output"] == process.pid
    assert post(url + "/channels", {"name": "events"})[1]["name"] == "events"
    assert post(url + "/events", {"channel": "events", "source": "t", "payload": 1})[1]["cursor"] == 1
    status, body = post(url + "/channels", {"name": "events"})
    assert (status, body["detail"]["error"]["type"]) == (409, "ChannelExistsError")


def test_the_command_requires_a_token(program):
    """From the variable that is named."""
    _, url = program(SOURCE, "served:Echo", "--token-env", "T", env={"T": "s3cret"})
    assert post(url + "/run", "hi")[0] == 401
    assert post(url + "/run", "hi", Authorization="Bearer wrong")[0] == 401
    assert post(url + "/run", "hi", Authorization="Basic s3cret")[0] == 401
    assert post(url + "/run", "hi", Authorization="Bearer s3cret")[0] == 200


def test_a_signal_drains_the_program(program, tmp_path, wait_for):
    """The call under way is answered, then the process ends."""
    process, url = program(SOURCE, "served:Echo")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(post, url + "/run", "wait")
        wait_for((tmp_path / "waiting").exists, 20)
        process.terminate()
        wait_for(lambda: post(url + "/run", "late")[0] == 503, 8)
        (tmp_path / "enough").touch()
        assert call.result()[1]["output"] == "WAIT"
    assert process.wait(15) in {0, -15}


def test_a_hung_call_does_not_keep_the_program(program):
    """It ends after its grace, although Python would wait for the thread."""
    source = SOURCE + "\nSecond.request_timeout = 0.2\n"
    process, url = program(source, "served:Second")
    assert post(url + "/run", "hang")[0] == 504
    process.send_signal(2)
    assert process.wait(20) is not None


def test_a_tool_that_exits_does_not_end_the_program(program):
    """A task that raises `SystemExit` stops the event loop of other servers."""
    process, url = program(SOURCE, "served:Echo")
    status, body = post(url + "/run", "leave")
    assert (status, body["detail"]["error"]["type"]) == (500, "SystemExit")
    assert post(url + "/run", "hi")[1]["output"] == "HI"
    assert process.poll() is None


def test_a_blocked_loop_does_not_keep_the_program(program, raw_request, tmp_path):
    """Nothing on the loop can end it then; a timer does."""
    waiting = "import lllm_serve.draining as draining\ndraining._SERVER_SECONDS = -11.0\n"
    process, url = program(waiting + SOURCE, "served:Echo")
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(raw_request("/run", "block"))
        until = time.monotonic() + 20
        while not (tmp_path / "blocked").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.terminate()
        assert process.wait(30) == 1


def test_workers_share_a_port(program):
    """Several processes answer, and stop together."""
    process, url = program(SOURCE, "served:Second", "--workers", "2")
    found = set()
    until = time.monotonic() + 15
    while len(found) < 2 and time.monotonic() < until:
        found.add(post(url + "/run", 1)[1]["output"])
    assert len(found) == 2
    assert process.pid not in found
    process.terminate()
    process.wait(20)
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_process_that_dies_under_a_call(program, raw_request):
    """The caller gets a broken connection at once, not silence."""
    process, url = program(SOURCE, "served:Echo")
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw_request("/run", "exit"))
        begun = time.monotonic()
        assert connection.recv(1000) == b""
        assert time.monotonic() - begun < 5
    assert process.wait(5) == 3


KEY = "sk-abcdefghijklmnopqrstuvwx123456"
SECRETIVE = f"""
from pydantic import BaseModel, Field
from lllm import Tactic


class Login(BaseModel):
    password: str = "hunter2"
    note: str = Field(default="{KEY}", examples=["{KEY}"])


class Keeper(Tactic[Login, str]):
    name = "keeper"

    def __init__(self):
        super().__init__(
            metadata={{"api_key": "{KEY}", "url": "https://bob:hunter2@example.org"}},
            examples=[{{"password": "hunter2", "note": "{KEY}"}}],
        )

    async def _arun(self, input_value, *, context=None):
        raise ValueError("cannot log in with {KEY} at https://bob:hunter2@example.org")
"""


def test_secrets_stay_inside(program, tmp_path, wait_for):
    """Those in metadata, examples, defaults, errors and the log."""
    _, url = program(SECRETIVE, "served:Keeper")
    shown = []
    for path in ("/info", "/tactics", "/tactics/keeper/info", "/openapi.json"):
        with urllib.request.urlopen(url + path, timeout=20) as response:
            shown.append(response.read().decode())
    status, body = post(url + "/run", {"input": {}, "context": {"metadata": {"token": KEY}}})
    assert (status, body["detail"]["error"]["type"]) == (500, "ValueError")
    log = tmp_path / "log"
    wait_for(lambda: "cannot log in" in log.read_text())
    for text in (*shown, json.dumps(body), log.read_text()):
        assert KEY not in text
        assert "hunter2" not in text


def test_a_restart_under_load(program):
    """Every call is answered, or says that the service was not reached; those that come later are served."""
    process, url = program(SOURCE, "served:Echo")
    port = int(url.rpartition(":")[2])
    stop, outcomes = threading.Event(), []

    def load():
        with RemoteTactic(url, timeout=30) as echo:
            while not stop.is_set():
                try:
                    outcomes.append(echo.run("hi"))
                except TacticServiceError as error:
                    outcomes.append(type(error).__name__)
            return echo.run("end")

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        try:
            for _ in range(2):
                seen = len(outcomes)
                until = time.monotonic() + 20
                while len(outcomes) < seen + 20 and time.monotonic() < until:
                    time.sleep(0.01)
                process.kill()
                process.wait(20)
                process, _ = program(SOURCE, "served:Echo", port=port)
        finally:
            stop.set()
        assert [each.result(60) for each in loads] == ["END"] * 4
    assert set(outcomes) <= {"HI", "TacticServiceError"}
    assert outcomes.count("HI") >= 40


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with tactics in it."""
    (tmp_path / "served_here.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """What uvicorn was started with, instead of starting it."""
    calls = []
    monkeypatch.setattr(launching.uvicorn, "run", lambda app, **options: calls.append((app, options)))
    monkeypatch.setattr(launching.threading.Timer, "start", lambda timer: None)
    return calls


def invoke(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(make_program(), ["serve", *arguments], prog_name="lllm")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", " "], "serve host must be a non-empty string."),
        (["--host", "http://localhost"], "serve host must be a host name or address"),
        (["--host", "localhost:80"], "serve host must be a host name or address"),
        (["--host", "a/b"], "serve host must be a host name or address"),
        (["--port", "0"], "serve port must be an integer between 1 and 65535."),
        (["--port", "65536"], "serve port must be an integer between 1 and 65535."),
        (["--port", "80a"], "serve port must be an integer between 1 and 65535."),
        (
            ["--log-level", "loud"],
            "serve log level must be one of: critical, debug, error, info, trace, warning.",
        ),
        (["--reload", "--workers", "2"], "--reload and --workers exclude each other."),
    ],
)
def test_options_are_checked_before_anything_is_imported(project, started, arguments, message):
    """One line, exit code 2, and the module stays untouched."""
    result = invoke("no_such_module:Echo", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"lllm: error: {message}")
    assert started == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "serve needs an ENTRY, or --store URL."),
        (["no_such_module:Echo"], "No module named 'no_such_module'"),
        (["served_here"], "Entrypoint must have the form 'module:attribute', got 'served_here'."),
        (["served_here:Echo", "served_here:Echo"], "Duplicate tactic.name route: echo"),
        (
            ["served_here:Echo", "--token-env", "UNSET"],
            "the environment variable `UNSET` holds no bearer token",
        ),
    ],
)
def test_what_cannot_be_served_is_one_line(project, started, arguments, message):
    """Exit code 2, nothing started."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"lllm: error: {message}")
    assert started == []


def test_one_process_is_given_the_application(project, started):
    """With hosts and levels as the server wants them; the requests are logged by the service."""
    result = invoke("served_here:Echo", "--host", "[::1]", "--port", "8123", "--log-level", "WARNING")
    assert result.exit_code == 0, result.output
    (app, options) = started[0]
    assert app.state.lllm_tactics["echo"].tactic_name == "echo"
    assert (options["host"], options["port"], options["log_level"]) == ("::1", 8123, "warning")
    assert (options["workers"], options["reload"], options["factory"]) == (1, False, False)
    assert options["access_log"] is False
    assert options["log_config"]["loggers"]["lllm"]["level"] == "WARNING"


def test_several_processes_are_given_the_plan(project, started, monkeypatch):
    """In the environment, from which each builds the same application."""
    monkeypatch.delenv("LLLM_SERVE_PLAN", raising=False)
    invoke("served_here:Echo", "served_here:Second", "--workers", "2", "--cors", "https://a.example")
    target, options = started[0]
    assert (target, options["workers"], options["factory"]) == (
        "lllm_serve.launch:app_of_environment",
        2,
        True,
    )
    app = app_of_environment()
    assert sorted(app.state.lllm_tactics) == ["echo", "second"]
    assert app.state.lllm_service.options.cors == ("https://a.example",)
    monkeypatch.delenv("LLLM_SERVE_PLAN")


def test_reloading_imports_nothing_first(project, started, monkeypatch):
    """A mistake can be mended while the program runs."""
    monkeypatch.setenv("LLLM_SERVE_PLAN", "")
    assert invoke("no_such_module:Echo", "--reload").exit_code == 0
    assert started[0][1]["reload"] is True


def test_an_open_address_without_a_token_is_warned_about(project, started, caplog):
    """And shows callers no texts of failures; any name may lead there."""
    invoke("served_here:Echo", "--host", "0.0.0.0")
    assert "serving on 0.0.0.0 without a token" in caplog.text
    service = started[0][0].state.lllm_service
    assert service.options.expose_errors == "type"
    assert service.rules.hosts.allows(b"anything.example", ("127.0.0.1", 80))
    caplog.clear()
    invoke("served_here:Echo")
    assert "without a token" not in caplog.text


def test_a_store_can_be_served_alone(tmp_path, monkeypatch):
    """With the same rules."""
    monkeypatch.setenv("T", "s3cret")
    app = build_app(ServePlan((), store=str(tmp_path / "store"), token_env="T"))
    assert app.title == "SSSN Store"
    app.state.sssn_store.close()


def test_lines_for_machines_and_for_people(monkeypatch):
    """JSON lines, unless somebody looks at a terminal."""
    from lllm_serve.log_setup import log_config

    assert log_config("info")["handlers"]["stderr"]["formatter"] == "lines"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert log_config("info")["handlers"]["stderr"]["formatter"] == "terminal"

"""What `lllm create` writes: installed, tested, served and called as its README says."""

import os
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

KINDS = ("plain", "pydantic-ai", "native")


@pytest.fixture(scope="module")
def folders(environment, tmp_path_factory):
    """One new project of each kind, all installed, without an index."""
    directory = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        environment.lllm("create", kind, f"my {kind}", "--directory", directory)
    made = {kind: directory / f"my-{kind}" for kind in KINDS}
    environment.install(*made.values())
    return made


@pytest.fixture
def port():
    """A port that nobody else is given while the test runs: a server may bind it although it is held here."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def serve(environment, port):
    """A function that runs a command in a project until the test ends, and returns the URL of its service."""
    processes = []

    def start(folder, *arguments):
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [environment.python, *arguments, "--port", str(port)],
                cwd=folder,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=log,
                stderr=log,
            )
        processes.append(process)
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                return f"http://127.0.0.1:{port}"
            except OSError:
                time.sleep(0.05)
        raise AssertionError((folder / "log").read_text())

    yield start
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.wait(20)


@pytest.mark.parametrize("kind", KINDS)
def test_an_installed_project_passes_its_own_tests(environment, folders, kind):
    """Without a change, with warnings as errors, and with none of its tests skipped."""
    folder = folders[kind]
    options = (
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
        "-c",
        folder / "pyproject.toml",
    )
    report = environment.run("-m", "pytest", *options, folder / "tests").stdout
    assert "4 passed" in report
    assert "skipped" not in report


@pytest.mark.parametrize("kind", KINDS)
def test_an_installed_project_can_be_imported_anywhere(environment, folders, kind):
    """Its tactic runs from another working directory, by the entry point that the tutorial names."""
    entry = f"my_{kind.replace('-', '_')}.tactics:build_tactic"
    assert environment.lllm("run", entry, '{"text": "hello"}').stdout == '{\n  "text": "HELLO"\n}\n'
    assert environment.lllm("inspect", entry).stdout.startswith("echo (")


@pytest.mark.parametrize("kind", KINDS)
def test_its_client_calls_its_service(environment, folders, serve, kind):
    """`lllm serve PACKAGE.tactics:build_tactic` in one process, the client of the project in another."""
    folder = folders[kind]
    program = ("-c", "from lllm.cli import main; main()", "serve")
    url = serve(folder, *program, f"my_{kind.replace('-', '_')}.tactics:build_tactic")
    client = folder / "client.py"
    client.write_text(client.read_text().replace("http://127.0.0.1:8000", url))
    assert environment.run(client).stdout == "HELLO\n"
    assert environment.run(client, "good", "day").stdout == "GOOD DAY\n"


def test_its_application_runs_under_any_server(environment, folders, serve):
    """`uvicorn app:app` in the project's folder serves the same tactic."""
    url = serve(folders["plain"], "-m", "uvicorn", "app:app")
    assert environment.lllm("call", url, '{"text": "hi"}').stdout == '{\n  "text": "HI"\n}\n'

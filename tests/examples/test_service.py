"""The README of examples/service, read as its reader would: services run, commands print what stands below them."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```(bash|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def free_ports(number, stack):
    """Return ports that nobody else is given: Linux lets a service bind them although they are held here."""
    held = []
    for _ in range(number):
        port = stack.enter_context(socket.socket())
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind(("127.0.0.1", 0))
        held.append(port)
    ports = [str(port.getsockname()[1]) for port in held]
    if sys.platform != "linux":
        for port in held:
            port.close()
    return ports


class Reader:
    """Someone who works in a copy of the example.

    Attributes:
        folder: The copy, with free ports in place of those that are written down.
        services: The processes that serve, by the entry that each of them serves.
    """

    def __init__(self, folder, ports):
        self.folder = folder
        self.services = {}
        self.ports = ports
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LLLM_")},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for path in (folder / "README.md", folder / ".psi" / "config.toml"):
            path.write_text(self.moved(path.read_text(encoding="utf-8")), encoding="utf-8")

    def moved(self, text):
        """Return a text with the ports of this run."""
        for written, port in self.ports.items():
            text = text.replace(written, port)
        return text

    def blocks(self):
        """Return language and text of each block of the README."""
        return BLOCK.findall((self.folder / "README.md").read_text(encoding="utf-8"))

    def run(self, line):
        """Return what a command prints; one that serves goes on beside."""
        words = shlex.split(line)
        if words[:2] == ["lllm", "serve"]:
            self.serve(words)
            return ""
        done = self.start(words, capture_output=True, timeout=60)
        assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, words, **options):
        """Return a command that has ended."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environ,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )

    def serve(self, words):
        """Start a service and wait until it takes calls."""
        log = self.folder / f"{words[2]}.log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                words, cwd=self.folder, env=self.environ, stdout=subprocess.DEVNULL, stderr=stream
            )
        self.services[words[2]] = process
        until = time.monotonic() + 40
        while process.poll() is None and time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{words[-1]}/ready", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(log.read_text())

    def stop(self):
        """End the services that are still there."""
        for process in self.services.values():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(20)


@pytest.fixture
def reader(tmp_path, examples):
    """A reader of the example."""
    ignored = shutil.ignore_patterns("__pycache__")
    folder = shutil.copytree(examples / "service", tmp_path / "service", ignore=ignored)
    with ExitStack() as stack:
        first, second = free_ports(2, stack)
        reader = Reader(folder, {"8001": first, "8002": second})
        stack.callback(reader.stop)
        yield reader


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README uses curl")
def test_the_readme_does_what_it_says(reader):
    """One tactic called remotely, two composed by refs, an endpoint; then the log and the failure it speaks of."""
    printed = []
    for language, text in reader.blocks():
        if language == "bash":
            printed = [reader.run(line) for line in text.splitlines()]
        else:
            assert columns("".join(printed)) == columns(text)
    assert len(reader.services) == 2
    logs = [(reader.folder / f"{entry}.log").read_text() for entry in reader.services]
    ids = [set(re.findall(r'"path": "/run".*?"request_id": "([^"]+)"', log)) for log in logs]
    assert ids[1]
    assert ids[1] <= ids[0]

    headline = reader.services["headline:Headline"]
    headline.terminate()
    headline.wait(20)
    words = shlex.split("lllm call psi://demo/news/tactics/front-page")
    failed = reader.start([*words, '{"stories": ["the sea is calm"]}'], capture_output=True, timeout=60)
    assert failed.returncode == 1
    assert "502" in failed.stderr
    assert reader.ports["8001"] in failed.stderr


def columns(text):
    """Return the words of each line: how wide a table is depends on the ports."""
    return [line.split() for line in text.splitlines()]

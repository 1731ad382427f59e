"""A service process that dies and comes back while many callers use it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lllm import RemoteTactic, RemoteTacticError, TacticServiceError

LLLM = str(Path(sys.executable).parent / "lllm")

TACTICS = """
import asyncio
from lllm import Tactic


class Slow(Tactic[int, int]):
    name = "slow"

    async def _arun(self, input_value, *, context=None):
        await asyncio.sleep(0.01)
        return input_value

    async def _astream(self, input_value, *, context=None):
        for number in range(input_value):
            yield number
            await asyncio.sleep(0.01)
"""


class Program:
    """`lllm serve` on one port, started and killed at will."""

    def __init__(self, directory):
        (directory / "slow_tactics.py").write_text(TACTICS)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.directory = directory
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = [LLLM, "serve", "slow_tactics:Slow", "--port", str(self.port), "--log-level", "critical"]
        self.process = subprocess.Popen(command, cwd=self.directory, env=dict(os.environ))
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the service did not start")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)


@pytest.fixture
def program(tmp_path):
    """A running service."""
    program = Program(tmp_path)
    program.start()
    yield program
    program.kill()


def test_callers_report_or_repeat_and_never_hang(program):
    """Threads and a loop call all the time; the process is killed twice. Every call ends, and at last all is well."""
    tactic = RemoteTactic(program.url, timeout=20, retries=5)
    ended = threading.Event()
    wrong, failed, fine = [], [], []

    def note(number, answer):
        (fine if answer == number else wrong).append(answer)

    def thread():
        number = 0
        while not ended.is_set():
            number += 1
            try:
                note(number, tactic.run(number))
            except (TacticServiceError, RemoteTacticError) as error:
                failed.append(error)

    async def loop():
        async def task():
            while not ended.is_set():
                try:
                    note(3, len([number async for number in tactic.astream(3)]))
                    note(7, await tactic.arun(7))
                except (TacticServiceError, RemoteTacticError) as error:
                    failed.append(error)

        await asyncio.gather(*(task() for _ in range(4)))

    workers = [threading.Thread(target=thread) for _ in range(4)]
    workers.append(threading.Thread(target=lambda: asyncio.run(loop())))
    for worker in workers:
        worker.start()
    try:
        for _ in range(2):
            before = len(fine)
            while len(fine) < before + 20:
                time.sleep(0.01)
            program.kill()
            program.start()
        before = len(fine)
        while len(fine) < before + 20:
            time.sleep(0.01)
    finally:
        ended.set()
        for worker in workers:
            worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    assert wrong == []
    assert all("broke off" in str(error) or "not answer" in str(error) for error in failed), failed[:3]
    assert tactic.run(1) == 1
    tactic.close()


def test_a_stream_whose_service_dies_is_not_a_stream_that_ended(program):
    """The reader gets what came, and then the error."""
    seen = []
    with RemoteTactic(program.url) as tactic, pytest.raises(TacticServiceError, match="broke off"):
        for number in tactic.stream(10_000):
            seen.append(number)
            if number == 3:
                program.kill()
    assert seen[:4] == [0, 1, 2, 3]


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_service_that_drains_ends_calls_or_refuses_them(program):
    """A service that is asked to stop lets its calls end; later callers are told within their own time."""
    with RemoteTactic(program.url, retries=0) as tactic:
        chunks = tactic.stream(30)
        next(chunks)
        program.process.send_signal(signal.SIGTERM)
        assert list(chunks) == list(range(1, 30))
        program.process.wait(30)
        with pytest.raises(TacticServiceError, match="could not be reached"):
            tactic.run(1)

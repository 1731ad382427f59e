"""A processor whose store is on the other side of a connection that breaks."""

import socket
import subprocess
import sys
import threading
import time

import pytest

from lllm.store import open_store
from lllm_process import Backoff, Processor

EVENTS = 60


@pytest.fixture
def served(store, root):
    """A function that starts the server of the store, always at one address, and the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []

    def start():
        command = [sys.executable, "-m", "lllm", "serve", "--store", str(root), "--port", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(server)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return server
        raise AssertionError("the server did not start")

    yield start, f"http://127.0.0.1:{port}"
    for server in started:
        server.kill()
        server.wait()


def test_a_server_that_is_killed_and_comes_back_costs_only_time(store, served, fill, monkeypatch):
    """Nothing is lost and nothing doubled, and the processor goes on by itself."""
    monkeypatch.setattr("lllm_process.run._RECONNECT", Backoff(first=0.05, longest=0.2))
    events = fill(EVENTS)
    store.create_subscription("raw", subscription_id="work", lease_seconds=2)
    start, url = served
    server = start()
    middle = threading.Event()

    def count(value):
        if value["text"] == f"t{EVENTS // 2}":
            middle.set()
        return value

    with open_store(url) as remote:
        processor = Processor(remote, "work", count, output="analysis", workers=4)
        thread = threading.Thread(target=processor.run, kwargs={"once": True})
        thread.start()
        assert middle.wait(30)
        server.kill()
        server.wait()
        start()
        thread.join(60)
        assert not thread.is_alive()
    outputs = list(store.iter_events("analysis"))
    assert sorted(output.parent_ids for output in outputs) == sorted((event.id,) for event in events)
    assert store.lag("work").in_flight == 0


def test_a_result_that_is_too_large_for_the_server_is_given_up(store, served, fill):
    """And the others are stored."""
    fill(3)
    store.create_subscription("raw", subscription_id="work", dead_letter="dead")
    start, url = served
    start()
    with open_store(url) as remote:
        large = {"t1": "x" * 17_000_000}
        processor = Processor(
            remote, "work", lambda value: large.get(value["text"], "small"), output="analysis", workers=3
        )
        progress = processor.run(once=True)
    assert (progress.done, progress.failed) == (2, 1)
    (letter,) = store.query_events("dead")
    assert "too large" in letter.metadata["dead_letter"]["error"]

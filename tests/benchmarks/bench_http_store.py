"""What a store behind HTTP costs, against plain ways of doing the same to the same server.

python tests/benchmarks/bench_http_store.py [MEGABYTES]

MEGABYTES (100 by default) is the size of the artifact. A server process serves a fresh SQLite store with
durable commits on loopback.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from timing import best, calls, compare, duration, report

from lllm_store_http import HTTPStore
from lllm_store_sqlite import SQLiteStore
from sssn import SSSNClient

EVENT = {"channel": "raw", "payload": {"text": "x" * 189}}
MEGABYTE = 1 << 20


@contextmanager
def server(directory: str) -> Iterator[tuple[str, int]]:
    """Serve a fresh store; give its address and the id of the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "sssn",
        "--store",
        directory,
        "serve",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{url}/health")
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.05)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def appends(url: str) -> None:
    """Sequential appends against a client that is made anew for each, and against the bare route."""
    store, client, plain = HTTPStore(url), SSSNClient(url), httpx.Client(base_url=url)
    store.ensure_channel({"name": "raw"})

    def anew() -> None:
        with httpx.Client(base_url=url) as each:
            each.post("/events", json=EVENT).raise_for_status()

    for name, append in (
        ("SSSNClient.append_event", client.append_event),
        ("HTTPStore.append_event", store.append_event),
    ):
        compare(
            name,
            calls(lambda append=append: append(EVENT)),
            "an httpx client made for each",
            calls(anew),
            budget=1 / 8,
        )
    compare(
        "HTTPStore.append_event",
        calls(lambda: store.append_event(EVENT)),
        "a POST on a kept httpx client",
        calls(lambda: plain.post("/events", json=EVENT).raise_for_status()),
    )
    batch = [EVENT] * 100
    ours, theirs = best(calls(lambda: store.append_events(batch)), calls(lambda: store.append_event(EVENT)))
    report("HTTPStore.append_events, 100, each event", ours / 100, "one HTTPStore.append_event", theirs)
    concurrent(store)
    for each in (store, client, plain):
        each.close()


def concurrent(store: HTTPStore) -> None:
    """Appends of eight threads against those of one."""
    with ThreadPoolExecutor(8) as threads:

        def eight(number: int) -> None:
            list(threads.map(lambda _: store.append_event(EVENT), range(number * 8)))

        together, alone = best(eight, calls(lambda: store.append_event(EVENT)))
    report("HTTPStore.append_event, 8 threads, each", together / 8, "one thread", alone, budget=1 / 2)


def deliveries(url: str) -> None:
    """From the append to the waiting reader, against an append alone."""
    with HTTPStore(url) as reader, HTTPStore(url) as writer:
        cursor = reader.head("raw")
        delays = []
        for _ in range(30):
            arrived: list[float] = []

            def wait(after: int = cursor, arrived: list[float] = arrived) -> None:
                reader.wait_events("raw", after_cursor=after, timeout=10.0)
                arrived.append(time.perf_counter())

            thread = threading.Thread(target=wait)
            thread.start()
            time.sleep(0.02)
            cursor = writer.append_event(EVENT).cursor or 0
            sent = time.perf_counter()
            thread.join()
            delays.append(arrived[0] - sent)
        (alone,) = best(calls(lambda: writer.append_event(EVENT)))
    report("append to delivery, long poll, median", sorted(delays)[15], "an append", alone)


def peak_memory(process: int | str) -> float:
    """Return the highest resident size of a process so far, in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


def artifact(url: str, process: int, megabytes: int, directory: Path) -> None:
    """A large artifact up and down, against the local store; memory on both sides; /health meanwhile."""
    file = directory / "large"
    with file.open("wb") as sink:
        for _ in range(megabytes):
            sink.write(b"x" * MEGABYTE)
    with SQLiteStore(directory / "local") as local, HTTPStore(url) as store:
        before = peak_memory(process), peak_memory("self")
        slowest: list[float] = []
        stop = threading.Event()
        watcher = threading.Thread(target=watch_health, args=(url, stop, slowest))
        watcher.start()
        up, made = timed(lambda: store.write_artifact_stream(file.open("rb")))
        down, _ = timed(lambda: sum(map(len, store.iter_artifact(made.id))))
        stop.set()
        watcher.join()
        after = peak_memory(process), peak_memory("self")
        local_up, kept = timed(lambda: local.write_artifact_stream(file.open("rb")))
        local_down, _ = timed(lambda: sum(map(len, local.iter_artifact(kept.id))))
    report(f"upload of {megabytes} MB", up, "the local store", local_up)
    report(f"download of {megabytes} MB", down, "the local store", local_down)
    for side, then, now in zip(("server", "client"), before, after, strict=True):
        print(f"more memory of the {side}, {megabytes} MB artifact: {now - then:.1f} MB   budget 30 MB")
    print(f"slowest /health meanwhile: {duration(max(slowest))}   budget 50 ms")


def timed(action: Callable[[], object]) -> tuple[float, object]:
    """Return how long an action took, in seconds, and its result."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def watch_health(url: str, stop: threading.Event, times: list[float]) -> None:
    """Ask the server for its health every few milliseconds and note how long each answer took."""
    with httpx.Client(base_url=url) as client:
        while not stop.is_set():
            took, _ = timed(lambda: client.get("/health"))
            times.append(took)
            time.sleep(0.005)


def main() -> None:
    """Print every figure."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder, server(f"{folder}/served") as (url, process):
        appends(url)
        deliveries(url)
        artifact(url, process, megabytes, Path(folder))


if __name__ == "__main__":
    main()

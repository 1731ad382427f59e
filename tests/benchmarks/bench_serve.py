"""What serving a tactic costs, against the same service written by hand, on loopback in the same minute.

python tests/benchmarks/bench_serve.py

Figures are processor time of the server for each request, the smallest of several interleaved rounds: that is what
decides how many requests a second one worker can answer, and other programs on the machine disturb it least.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

from serve_apps import TOKEN
from timing import report

CONNECTIONS = 16
SMALL = {"input": {"text": "hello"}}
CREDENTIALS = {"Authorization": f"Bearer {TOKEN}"}
CAREFUL = {
    **CREDENTIALS,
    "X-LLLM-Timeout-Ms": "20000",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


class Server:
    """A running application."""

    def __init__(self, name: str) -> None:
        program = [sys.executable, str(Path(__file__).with_name("serve_apps.py")), name]
        self.process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def get(self, path: str) -> float:
        """Return the number that a path answers with."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=CREDENTIALS)
        with urllib.request.urlopen(request) as response:
            return float(json.loads(response.read()))

    def stop(self) -> None:
        """End it."""
        self.process.communicate(timeout=30)


@contextmanager
def servers(*names: str) -> Iterator[list[Server]]:
    """Run applications for a block."""
    with ExitStack() as stack:
        found = []
        for name in names:
            server = Server(name)
            stack.callback(server.stop)
            found.append(server)
        yield found


def request_of(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a request."""
    fields = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": len(body),
        **(headers or {}),
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """Send a request and return the body of its answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head + await reader.read(500)
    lowered = head.lower()
    if b"content-length: " in lowered:
        length = int(lowered.split(b"content-length: ")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)
    chunks = []
    while size := int(await reader.readline(), 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    await reader.readline()
    return b"".join(chunks)


async def load(port: int, request: bytes, seconds: float, connections: int) -> int:
    """Return how many requests are answered in some time."""
    until = time.perf_counter() + seconds
    count = 0

    async def work() -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
        while time.perf_counter() < until:
            await exchange(reader, writer, request)
            count += 1
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(work() for _ in range(connections)))
    return count


def cost(server: Server, request: bytes, *, seconds: float = 0.7, connections: int = CONNECTIONS) -> float:
    """Return the processor seconds that a server needs for one request."""
    before = server.get("/cpu")
    count = asyncio.run(load(server.port, request, seconds, connections))
    return (server.get("/cpu") - before) / count


def race(
    name: str,
    request: bytes,
    ours: Server,
    theirs: Server,
    baseline: str,
    *,
    budget: float | None = None,
    rounds: int = 5,
    their_request: bytes | None = None,
    **options: float,
) -> None:
    """Measure two servers turn by turn and print the line."""
    pairs = [(ours, request), (theirs, their_request or request)]
    turns = [[cost(server, each, **options) for server, each in pairs] for _ in range(rounds)]
    mine, other = (min(column) for column in zip(*turns))
    report(name, mine, baseline, other, budget=budget)


def small_requests() -> None:
    """Small bodies, sixteen connections."""
    request = request_of("/run", json.dumps(SMALL).encode())
    with servers("lllm-async", "typed-async", "by-hand") as (ours, typed, hand):
        race("POST /run, async tactic", request, ours, typed, "typed async FastAPI", budget=1 / 1.7)
        race("POST /run, async tactic", request, ours, hand, "Starlette by hand")
    careful = request_of("/run", json.dumps(SMALL).encode(), CAREFUL)
    with servers("lllm-guarded", "typed-guarded") as (ours, typed):
        race("POST /run, token, limits and deadline", careful, ours, typed, "FastAPI with token, hosts, CORS")
    with servers("lllm-sync", "typed-sync") as (ours, typed):
        race("POST /run, sync tactic", request, ours, typed, "typed def FastAPI", budget=1 / 1.3)


def large_requests() -> None:
    """Bodies of 100 kB and of 20 MB."""
    body = json.dumps({"input": {"text": "x" * 100_000}}).encode()
    with servers("lllm-async", "typed-async") as (ours, typed):
        race("POST /run, 100 kB", request_of("/run", body), ours, typed, "typed async FastAPI", budget=1.0)
        huge = request_of("/run", json.dumps({"input": {"text": "x" * 20_000_000}}).encode())
        options = {"seconds": 0.5, "connections": 1, "rounds": 3}
        race("POST /run, 20 MB", huge, ours, typed, "typed async FastAPI", budget=1.2, **options)
        mine, other = ours.get("/memory"), typed.get("/memory")
        print(
            f"{'POST /run, 20 MB, memory':<42} {mine / other:7.2f} x typed async FastAPI "
            f"({mine / 1e6:.0f} MB against {other / 1e6:.0f} MB)   budget 1.2 x"
        )


def streams() -> None:
    """Ten thousand events on one connection."""
    body = json.dumps(SMALL).encode()
    options = {"seconds": 0.5, "connections": 1}
    with servers("lllm-async", "by-hand") as (ours, hand):
        race(
            "POST /stream, 10,000 events",
            request_of("/stream", body),
            ours,
            hand,
            "a stream by hand",
            budget=1.3,
            **options,
        )
        race(
            "POST /stream, 10,000 events",
            request_of("/stream", body),
            ours,
            hand,
            "the same events by hand",
            budget=1.3,
            their_request=request_of("/model-stream", body),
            **options,
        )


def beside_slow_work() -> None:
    """How the service answers while synchronous work blocks its threads."""
    request = request_of("/run", json.dumps(SMALL).encode())
    stream = request_of("/stream", json.dumps(SMALL).encode())
    with servers("lllm-slow") as (server,):

        async def once(each: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await exchange(reader, writer, each)
            writer.close()

        async def many(each: bytes, number: int) -> None:
            await asyncio.gather(*(once(each) for _ in range(number)))

        start = time.perf_counter()
        asyncio.run(many(request, 20))
        report("20 sync calls of 1 s at once", time.perf_counter() - start, "one of them", 1.0, budget=1.3)
        for what, each in (("sync calls", request), ("sync streams", stream)):
            work = Thread(target=lambda each=each: asyncio.run(many(each, 10)))
            work.start()
            time.sleep(0.2)
            slowest = max(_timed_health(server) for _ in range(20))
            work.join()
            report(f"GET /health beside 10 {what}", slowest, "50 ms", 0.05, budget=1.0)


def leaving() -> None:
    """How soon work is cancelled whose caller has left."""
    request = request_of("/run", json.dumps(SMALL).encode())
    with servers("lllm-waiting") as (server,):
        took = []
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(request)
                time.sleep(0.1)
            left = time.time()
            while (noticed := server.get("/left")) < left - 0.05:
                time.sleep(0.01)
            took.append(max(noticed - left, 0.0))
        report("from leaving to cancelled work", max(took), "50 ms", 0.05, budget=1.0)


def _timed_health(server: Server) -> float:
    start = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health") as response:
        response.read()
    return time.perf_counter() - start


def main() -> None:
    """Print one line for each figure."""
    only = sys.argv[1:] or ["small", "large", "streams", "slow", "leaving"]
    if "small" in only:
        small_requests()
    if "large" in only:
        large_requests()
    if "streams" in only:
        streams()
    if "slow" in only:
        beside_slow_work()
    if "leaving" in only:
        leaving()


if __name__ == "__main__":
    main()

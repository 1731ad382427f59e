"""What `RemoteTactic` costs, against a pooled httpx client that posts the same body to the same service.

python tests/benchmarks/bench_remote.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from pydantic import BaseModel
from timing import best, calls, compare, report

from lllm import RemoteTactic

VALUE = {"text": "hello"}
CONCURRENT = 16


class Text(BaseModel):
    text: str


@contextmanager
def service(name: str) -> Iterator[str]:
    """Run one of the applications of `serve_apps.py` and give its URL."""
    program = [sys.executable, str(Path(__file__).with_name("serve_apps.py")), name]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.wait(30)


def envelope(value: object) -> dict[str, object]:
    """Return what a caller without LLLM would post."""
    return {"input": value, "context": {"request_id": "r1", "metadata": {}}}


def awaits_on(
    runner: object, function: Callable[[], Awaitable[object]], together: int = 1
) -> Callable[[int], None]:
    """Return a batch that awaits `function()` on one event loop that stays open, so that connections do too."""
    import asyncio

    async def repeat(number: int) -> None:
        for _ in range(max(1, number // together)):
            if together == 1:
                await function()
            else:
                await asyncio.gather(*(function() for _ in range(together)))

    return lambda number: runner.run(repeat(number))  # type: ignore[attr-defined]


def one_at_a_time(url: str, name: str, value: object) -> None:
    """Compare synchronous calls."""
    with httpx.Client() as client, RemoteTactic(url) as remote, RemoteTactic(url, output_type=Text) as typed:
        by_hand = calls(lambda: client.post(f"{url}/run", json=envelope(value)).json()["output"])
        baseline = "a pooled httpx client"
        compare(f"RemoteTactic.run, {name}", calls(lambda: remote.run(value)), baseline, by_hand, budget=1.3)
        if name == "small":
            compare("RemoteTactic.run, typed", calls(lambda: typed.run(value)), baseline, by_hand, budget=1.3)
        used = []
        for batch in (calls(lambda: remote.run(value)), by_hand):
            start = time.process_time()
            batch(200)
            used.append((time.process_time() - start) / 200)
        report(f"... processor time of the caller, {name}", used[0], baseline, used[1])


def asynchronous(url: str) -> None:
    """Compare asynchronous calls, one after another and together."""
    import asyncio

    with asyncio.Runner() as runner:
        client, remote = httpx.AsyncClient(), RemoteTactic(url)

        async def by_hand() -> object:
            return (await client.post(f"{url}/run", json=envelope(VALUE))).json()["output"]

        for together, name in ((1, "one at a time"), (CONCURRENT, f"{CONCURRENT} together")):
            compare(
                f"RemoteTactic.arun, {name}",
                awaits_on(runner, lambda: remote.arun(VALUE), together),
                "a pooled httpx client",
                awaits_on(runner, by_hand, together),
                budget=1.3,
            )
        runner.run(client.aclose())
        runner.run(remote.aclose())


def streams(url: str) -> None:
    """Compare reading a stream of 10,000 events."""
    with httpx.Client(timeout=60) as client, RemoteTactic(url, timeout=60) as remote:

        def by_hand() -> list[object]:
            found = []
            with client.stream("POST", f"{url}/stream", json=envelope(VALUE)) as response:
                for line in response.iter_lines():
                    if line.startswith("data: "):
                        found.append(json.loads(line[6:])["data"])
            return found

        ours, theirs = best(calls(lambda: list(remote.stream(VALUE))), calls(by_hand), rounds=3)
        report("RemoteTactic.stream, 10,000 events", ours, "iter_lines of httpx and json.loads", theirs)


def main() -> None:
    """Print one line for each figure."""
    with service("lllm-async") as url:
        one_at_a_time(url, "small", VALUE)
        one_at_a_time(url, "100 kB", {"text": "x" * 100_000})
        asynchronous(url)
        streams(url)


if __name__ == "__main__":
    main()

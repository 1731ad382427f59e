"""What the processor adds to the loop of lease and commit that it is made of.

python tests/benchmarks/bench_process.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from timing import report

from lllm.store import Store, open_store
from lllm_process import Processor, output_id

EVENTS = 1000
ROUNDS = 5


async def echo(payload: dict) -> dict:
    """Return the payload."""
    return payload


def by_hand(store: Store, subscription: str, size: int) -> None:
    """Process everything in the shortest safe loop."""
    while deliveries := store.lease(subscription, limit=size):
        outputs = [
            {
                "id": output_id(subscription, each.event.id),
                "channel": "out",
                "kind": "result",
                "source": "bench",
                "payload": each.event.payload,
                "correlation_id": each.event.correlation_id or each.event.id,
                "parent_ids": (each.event.id,),
            }
            for each in deliveries
        ]
        store.commit(acks=[each.token for each in deliveries], events=outputs)


def by_processor(store: Store, subscription: str, size: int) -> None:
    """Process everything with a processor of so many workers."""
    Processor(store, subscription, echo, output="out", workers=size).run(once=True)


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


def measured(store: Store, way: Callable[[Store, str, int], None], size: int) -> float:
    """Return the seconds that one event takes."""
    name = store.create_subscription("raw", start="end").id
    store.append_events([{"channel": "raw", "payload": {"text": "x" * 200}} for _ in range(EVENTS)])
    start = time.perf_counter()
    way(store, name, size)
    return (time.perf_counter() - start) / EVENTS


def compare(store: Store, size: int, baseline: str, budget: float) -> None:
    """Measure both ways turn by turn and print the line."""
    turns = [(measured(store, by_processor, size), measured(store, by_hand, size)) for _ in range(ROUNDS)]
    ours, theirs = (min(column) for column in zip(*turns, strict=True))
    report(
        f"a processor with {size} worker{'s' if size > 1 else ''}, an event",
        ours,
        baseline,
        theirs,
        budget=budget,
    )


def main() -> None:
    """Print one line for each way to process, and one for the memory."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store") as store:
        for name in ("raw", "out"):
            store.create_channel({"name": name})
        compare(store, 1, "lease 1, commit 1", 3)
        compare(store, 100, "lease 100, commit 100", 6)
        before = resident()
        for _ in range(10):
            measured(store, by_processor, 100)
        print(f"{'memory after ten times as many events':<42} {resident() / before:7.2f} x before")


if __name__ == "__main__":
    main()

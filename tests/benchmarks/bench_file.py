"""What the file store costs, against raw `fdatasync` appends to a file beside it, taken turn by turn.

python tests/benchmarks/bench_file.py [EVENTS]

EVENTS (1,000,000 by default) is how full the store is for the second half. Figures are medians, for each
event; budgets hold on a machine that does nothing else.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from timing import duration, report

from lllm_store_file import FileStore

PAYLOAD = {"text": "x" * 189}
RAW = "a raw fdatasync append"
ROUNDS = 9


def each(run: Callable[[], object], events: int) -> float:
    """Return how many seconds one of the events took that `run` deals with."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / events


def compare(raw: Callable[[], float], figures: list[tuple[str, Callable[[], float], float | None]]) -> None:
    """Print one line for each figure (name, measurement, budget), all taken turn by turn with the raw one."""
    turns = [[raw(), *(measure() for _, measure, _ in figures)] for _ in range(ROUNDS)]
    base, *ours = (median(column) for column in zip(*turns, strict=True))
    for (name, _, budget), seconds in zip(figures, ours, strict=True):
        report(name, seconds, RAW, base, budget=budget)


def raw_appends(path: Path) -> Callable[[], float]:
    """Return the baseline: 400 bytes appended to a file and flushed, 50 times."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def append() -> None:
        for _ in range(50):
            os.write(descriptor, b"x" * 400)
            os.fdatasync(descriptor)

    return lambda: each(append, 50)


def event(channel: str = "raw") -> dict[str, object]:
    """Return an event as a producer hands it over."""
    return {"channel": channel, "payload": PAYLOAD}


def appends(store: FileStore, size: int, times: int) -> Callable[[], float]:
    """Return appends of `size` events in one commit."""

    def run() -> None:
        for _ in range(times):
            store.append_events([event() for _ in range(size)])

    return lambda: each(run, size * times)


def threads(store: FileStore, count: int) -> Callable[[], float]:
    """Return single appends of `count` threads at once."""

    def append() -> None:
        for _ in range(20):
            store.append_event(event())

    def run() -> None:
        workers = [threading.Thread(target=append) for _ in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return lambda: each(run, 20 * count)


def processing(store: FileStore, size: int) -> Callable[[], float]:
    """Return leases of `size` events, each with a commit of one output for each event."""
    subscription = store.create_subscription("raw", start="end").id

    def run() -> None:
        for _ in range(20):
            leased = store.lease(subscription, limit=size)
            store.commit(acks=leased, events=[event("out") for _ in leased])

    def measure() -> float:
        store.append_events([event() for _ in range(20 * size)])
        return each(run, 20 * size)

    return measure


def writing(store: FileStore, raw: Callable[[], float]) -> None:
    """Print what appends and commits cost."""
    compare(
        raw,
        [
            # The reference does 0.1 of the raw appends a second; ours does at least twice that, and 30 times.
            ("one append", appends(store, 1, 50), 5.0),
            ("an event in a batch of 100", appends(store, 100, 10), 1 / 3),
            ("an event in a batch of 1,000", appends(store, 1000, 1), None),
            ("an append of 16 threads", threads(store, 16), None),
            ("lease, then commit, one by one", processing(store, 1), None),
            ("lease, then commit, in hundreds", processing(store, 100), None),
        ],
    )


def reading(store: FileStore, raw: Callable[[], float]) -> None:
    """Print what reads cost, none of which may depend on how full the store is."""
    caught_up = store.create_subscription("raw", start="end").id
    nothing = store.create_subscription("raw", filters={"kind": "none"}).id
    newest = store.append_event(event()).id
    store.pull_subscription(caught_up)
    calls: list[tuple[str, Callable[[], object]]] = [
        ("caught-up pull", lambda: store.pull_subscription(caught_up)),
        ("pull of a kind that matches nothing", lambda: store.pull_subscription(nothing)),
        ("get_event", lambda: store.get_event(newest)),
        ("query of 100 from the beginning", lambda: store.query_events("raw")),
        ("trace of a correlation id", lambda: store.trace("none")),
    ]
    compare(raw, [(name, lambda run=run: each(run, 1), None) for name, run in calls])  # type: ignore[misc]


def opening(directory: Path) -> None:
    """Print how long the store takes to open, and to build its indexes again."""
    start = time.perf_counter()
    with FileStore(directory) as store:
        store.head("raw")
        print(f"opening with a checkpoint {duration(time.perf_counter() - start):>30}")
    for path in (directory / "state").iterdir():
        path.unlink()
    start = time.perf_counter()
    FileStore(directory, read_only=True).close()
    print(f"opening without one, from the log {duration(time.perf_counter() - start):>22}")


def main() -> None:
    """Print one line for each figure."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(dir=".") as place:
        directory = Path(place, "store")
        raw = raw_appends(Path(place, "raw"))
        with FileStore(directory) as store:
            store.create_channel({"name": "raw"})
            store.create_channel({"name": "out"})
            writing(store, raw)
            reading(store, raw)
            while store.head("raw") < events:
                store.append_events([event() for _ in range(5000)])
            stats = store.stats()
            kept = stats["counts"]["events"]
            print(f"with {kept:,} events of {stats['bytes'] / kept:.0f} bytes each:")
            writing(store, raw)
            reading(store, raw)
        opening(directory)


if __name__ == "__main__":
    main()

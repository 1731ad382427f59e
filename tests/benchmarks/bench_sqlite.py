"""What the SQLite store costs, against raw `fdatasync` appends to a file beside it, taken turn by turn.

python tests/benchmarks/bench_sqlite.py [EVENTS]

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
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from timing import calls, duration, report

from lllm_store_sqlite import SQLiteStore

PAYLOAD = {"text": "x" * 189}
RAW = "a raw fdatasync append"
ROUNDS = 25


@dataclass
class Figure:
    """Something to measure, in rounds.

    Args:
        name: What one line says of it.
        run: Does it once, for `events` events.
        events: How many events that is.
        times: How often it is done in a round.
        prepare: Called before each round with the number of events that it will want.
        budget: The ratio to the baseline that is promised.
    """

    name: str
    run: Callable[[], object]
    events: int = 1
    times: int = 40
    prepare: Callable[[int], object] = int
    budget: float | None = None

    def round(self) -> float:
        """Return how many seconds one event took in one round."""
        self.prepare(self.events * self.times)
        start = time.perf_counter()
        for _ in range(self.times):
            self.run()
        return (time.perf_counter() - start) / (self.events * self.times)


def compare(figures: list[Figure], baseline: Figure, rounds: int = ROUNDS) -> None:
    """Print one line for each figure, all measured turn by turn with the baseline."""
    turns = [[figure.round() for figure in (baseline, *figures)] for _ in range(rounds)]
    base, *ours = (median(column) for column in zip(*turns, strict=True))
    for figure, seconds in zip(figures, ours, strict=True):
        report(figure.name, seconds, baseline.name, base, budget=figure.budget)


def raw_appends(path: Path) -> Figure:
    """Return the baseline: 400 bytes appended to a file and flushed."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def append() -> None:
        os.write(descriptor, b"x" * 400)
        os.fdatasync(descriptor)

    return Figure(RAW, append)


def event(channel: str = "raw", **fields: object) -> dict[str, object]:
    """Return an event as a producer hands it over."""
    return {"channel": channel, "payload": PAYLOAD, **fields}


def one_append(store: SQLiteStore) -> Figure:
    """Return single appends."""
    return Figure("one append", lambda: store.append_event(event()), budget=1 / 0.8)


def batches(store: SQLiteStore, size: int, budget: float) -> Figure:
    """Return appends of `size` events in one commit."""
    return Figure(
        f"an event in a batch of {size:,}",
        lambda: store.append_events([event() for _ in range(size)]),
        events=size,
        times=max(1, 2000 // size),
        budget=budget,
    )


def threads(store: SQLiteStore, count: int, budget: float) -> Figure:
    """Return single appends of `count` threads at once."""
    each = 25

    def append() -> None:
        appends = calls(lambda: store.append_event(event()))
        workers = [threading.Thread(target=appends, args=(each,)) for _ in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return Figure(f"an append of {count} threads", append, events=count * each, times=1, budget=budget)


def processing(store: SQLiteStore, name: str, size: int, budget: float) -> Figure:
    """Return leases of `size` events, each with a commit of one output for each event."""
    subscription = store.create_subscription("raw", start="end").id

    def process() -> None:
        leased = store.lease(subscription, limit=size)
        outputs = [event("out", parent_ids=(item.event.id,)) for item in leased]
        store.commit(acks=leased, events=outputs)

    return Figure(name, process, size, max(1, 40 // size), lambda number: supply(store, number), budget)


def commits(store: SQLiteStore) -> Figure:
    """Return commits that finish one delivery and append one event."""
    subscription = store.create_subscription("raw", start="end").id
    waiting = []

    def prepare(number: int) -> None:
        supply(store, number)
        waiting.extend(store.lease(subscription, limit=number, lease_seconds=3600))

    def commit() -> None:
        store.commit(acks=[waiting.pop(0)], events=[event("out")])

    return Figure("commit(one ack, one event)", commit, prepare=prepare, budget=1.3)


def lease_and_ack(store: SQLiteStore) -> Figure:
    """Return leases of a hundred events, each with its ack."""
    subscription = store.create_subscription("raw", start="end").id
    return Figure(
        "lease and ack of 100",
        lambda: store.ack(store.lease(subscription, limit=100)),
        events=100,
        times=2,
        prepare=lambda number: supply(store, number),
        budget=4 / 10,
    )


def supply(store: SQLiteStore, events: int) -> None:
    """Append events, many at a time."""
    while events > 0:
        store.append_events([event() for _ in range(min(events, 5000))])
        events -= 5000


def writing(store: SQLiteStore, raw: Figure) -> None:
    """Print what appends cost."""
    compare([one_append(store)], raw)
    compare([batches(store, 100, 1 / 7), batches(store, 1000, 1 / 25)], raw)


def sharing_and_consuming(store: SQLiteStore, raw: Figure) -> None:
    """Print what threads gain by sharing commits, and what handing events out costs."""
    compare([threads(store, 8, 1 / 3), threads(store, 16, 1 / 2.5), commits(store)], one_append(store))
    compare([processing(store, "lease, then commit, one by one", 1, 4 / 3)], raw)
    compare([processing(store, "lease, then commit, in hundreds", 100, 4 / 30), lease_and_ack(store)], raw)


def reads(store: SQLiteStore, name: str) -> list[Figure]:
    """Return reads of a store, none of which may depend on how full it is."""
    caught_up = store.create_subscription("raw", start="end").id
    nothing = store.create_subscription("raw", filters={"kind": "none"}).id
    newest = store.append_event(event(correlation_id="episode")).id
    store.append_event(event(parent_ids=(newest,)))
    store.pull_subscription(caught_up)
    figures = [
        ("caught-up pull", lambda: store.pull_subscription(caught_up)),
        ("pull of a kind that matches nothing", lambda: store.pull_subscription(nothing)),
        ("get_event", lambda: store.get_event(newest)),
        ("query of 100 from the beginning", lambda: store.query_events("raw")),
        ("children of an event", lambda: store.children(newest)),
        ("trace of a correlation id", lambda: store.trace("episode")),
    ]
    return [Figure(f"{what}{name}", run, budget=2) for what, run in figures]


def main() -> None:
    """Print one line for each figure."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with (
        tempfile.TemporaryDirectory(dir=".") as place,
        closing(SQLiteStore(Path(place, "store"))) as store,
        closing(SQLiteStore(Path(place, "small"))) as small,
    ):
        raw = raw_appends(Path(place, "raw"))
        for target in (store, small):
            target.create_channel({"name": "raw"})
            target.create_channel({"name": "out"})
        supply(small, 1000)
        writing(store, raw)
        sharing_and_consuming(store, raw)
        supply(store, events - store.head("raw"))
        kept = store.stats()["counts"]["events"]
        print(f"with {kept:,} events of {store.db_path.stat().st_size / kept:.0f} bytes each:")
        writing(store, raw)
        for full, thousand in zip(reads(store, ""), reads(small, " at 1,000 events"), strict=True):
            compare([full], thousand)
        (each,) = (Figure("", lambda: store.query_events("raw", limit=10_000), 10_000, 1).round(),)
        print(f"an event of a long query {duration(each):>27}")


if __name__ == "__main__":
    main()

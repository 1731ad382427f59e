"""Clocks that jump."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from lllm.errors import LeaseLostError
from lllm.store import Store
from lllm.testing.crash.children import Target
from lllm.testing.crash.reports import CrashReport

__all__ = ["jump_clock", "shifted_clock"]

_DAY = 86_400.0


@contextmanager
def shifted_clock(seconds: float) -> Iterator[None]:
    """Let the wall clock of this process differ from the real one.

    Args:
        seconds: By how much; negative for a clock that was set back.
    """
    real_time, real_nanoseconds = time.time, time.time_ns

    def shifted() -> float:
        return real_time() + seconds

    def shifted_nanoseconds() -> int:
        return real_nanoseconds() + int(seconds * 1e9)

    with mock.patch("time.time", shifted), mock.patch("time.time_ns", shifted_nanoseconds):
        yield


def jump_clock(target: Target, directory: Path) -> CrashReport:
    """Append, lease and commit while the clock is set back and forward by a day.

    Args:
        target: The store.
        directory: A new directory; the store goes to `store` in it.

    Returns:
        What is lost, doubled or out of order.
    """
    report = CrashReport()
    place = directory / "store"
    directory.mkdir(parents=True, exist_ok=True)
    target.prepare(place)
    with target.open(place) as store:
        for shift in (0.0, -_DAY, _DAY, 0.0):
            with shifted_clock(shift):
                _append(store, report, shift)
        _check_order(store, report)
        _check_leases(store, report)
        report.problems.extend(store.check(deep=True).problems)
    return report


def _append(store: Store, report: CrashReport, shift: float) -> None:
    head = store.head("raw")
    first = store.append_event({"channel": "raw", "payload": shift})
    batch = store.append_events({"channel": "raw", "payload": shift} for _ in range(3))
    cursors = [event.cursor for event in (first, *batch)]
    if cursors != [head + 1, head + 2, head + 3, head + 4]:
        report.problems.append(f"clock {shift:+}: the cursors after {head} are {cursors}")
    report.acknowledged += 4
    report.points += 1


def _check_order(store: Store, report: CrashReport) -> None:
    """The time of the append never decreases, so seeking to a later time never leads to an earlier event."""
    now = time.time()
    cursors = [
        store.seek("work", time=now + shift).cursor for shift in (-3 * _DAY, -_DAY / 2, _DAY / 2, 3 * _DAY)
    ]
    if cursors != sorted(cursors) or (cursors[0], cursors[-1]) != (0, store.head("raw")):
        report.problems.append(f"seeking to ascending times leads to the cursors {cursors}")
    store.seek("work", to="beginning")


def _check_leases(store: Store, report: CrashReport) -> None:
    """However the clock jumps, each input has one output in the end."""
    inputs = {event.id for event in store.iter_events("raw")}
    early = store.lease("work", limit=4, lease_seconds=60)
    with shifted_clock(_DAY):
        late = store.lease("work", limit=100, lease_seconds=60)
    with shifted_clock(-_DAY):
        for deliveries in (early, late):
            for delivery in deliveries:
                output = {"channel": "out", "parent_ids": [delivery.event.id]}
                try:
                    store.commit(acks=delivery, events=[output])
                except LeaseLostError:
                    continue
    outputs = [event.parent_ids[0] for event in store.iter_events("out")]
    report.lost.extend(f"no output of {name}" for name in sorted(inputs - set(outputs)))
    if len(outputs) != len(set(outputs)):
        report.problems.append("an input has several outputs")

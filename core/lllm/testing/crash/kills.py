"""Processes that are killed in the middle of their work."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lllm.testing.crash.children import Target, end, start
from lllm.testing.crash.journal import look, read_journal
from lllm.testing.crash.reports import CrashReport

__all__ = ["kill_consumers", "kill_writers"]


def kill_writers(
    target: Target, directory: Path, *, rounds: int = 20, writers: int = 2, seed: int = 0
) -> CrashReport:
    """Kill writers with SIGKILL at random moments, and look for everything that was acknowledged.

    Args:
        target: The store.
        directory: A new directory; the store goes to `store` in it.
        rounds: How often.
        writers: How many processes write at once.
        seed: Decides when they are killed and what they write.

    Returns:
        What was acknowledged, what is lost, and what else is wrong.
    """
    noise = random.Random(seed)
    report = CrashReport()
    place = directory / "store"
    directory.mkdir(parents=True, exist_ok=True)
    target.prepare(place)
    promises: list[dict[str, Any]] = []
    for number in range(rounds):
        journals = [directory / f"journal-{number}-{writer}" for writer in range(writers)]
        children = [
            start(target, place, journal, job="write", seed=number * writers + writer)
            for writer, journal in enumerate(journals)
        ]
        _wait_for(journals, children)
        time.sleep(noise.uniform(0.0, 0.15))
        report.problems.extend(said for child in children if (said := end(child, kill=True)) is not None)
        promises.extend(promise for journal in journals for promise in read_journal(journal))
        look(target, place, promises, report, f"after round {number}")
    report.acknowledged = len(promises)
    return report


def kill_consumers(
    target: Target, directory: Path, *, events: int = 300, rounds: int = 20, workers: int = 2, seed: int = 0
) -> CrashReport:
    """Kill processors at random moments, and count the outputs of every input.

    Args:
        target: The store.
        directory: A new directory; the store goes to `store` in it.
        events: How many inputs there are.
        rounds: How often processors are killed before the last ones may finish.
        workers: How many processors work at once.
        seed: Decides when they are killed.

    Returns:
        How many inputs there were, those without an output, and those with several.
    """
    noise = random.Random(seed)
    report = CrashReport(acknowledged=events)
    place = directory / "store"
    directory.mkdir(parents=True, exist_ok=True)
    target.prepare(place)
    with target.open(place) as store:
        inputs = store.append_events({"channel": "raw", "payload": number} for number in range(events))
    for number in range(rounds + 1):
        journals = [directory / f"journal-{number}-{worker}" for worker in range(workers)]
        children = [
            start(target, place, journal, job="process", seed=number * workers + worker)
            for worker, journal in enumerate(journals)
        ]
        last = number == rounds
        if not last:
            _wait_for(journals, children, patience=5.0)
            time.sleep(noise.uniform(0.0, 0.05))
        report.problems.extend(said for child in children if (said := end(child, kill=not last)) is not None)
        report.points += 1
    with target.open(place) as store:
        outputs = Counter(event.parent_ids[0] for event in store.iter_events("out"))
        report.lost.extend(f"no output of {event.id}" for event in inputs if outputs[event.id] == 0)
        report.problems.extend(f"{n} outputs of {name}" for name, n in outputs.items() if n > 1)
        report.problems.extend(store.check().problems)
    return report


def _wait_for(
    journals: Sequence[Path], children: Sequence[subprocess.Popen[bytes]], *, patience: float = 30.0
) -> None:
    """Wait until every worker has something acknowledged, or has ended."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        pairs = zip(journals, children, strict=True)
        if all((path.exists() and path.stat().st_size) or child.poll() is not None for path, child in pairs):
            return
        time.sleep(0.005)

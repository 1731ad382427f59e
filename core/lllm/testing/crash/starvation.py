"""Disks that are full."""

from __future__ import annotations

from pathlib import Path

from lllm.testing.crash.children import Target, end, start
from lllm.testing.crash.journal import look, read_journal
from lllm.testing.crash.reports import CrashReport

__all__ = ["fill_disk"]

_ROOM = 40_000


def fill_disk(target: Target, directory: Path, *, steps: int = 2000, seed: int = 0) -> CrashReport:
    """Let a writer reach the limit on the size of files, and look for everything that was acknowledged.

    A call that raised counts as unknown: it may have been stored, but not by half. Every error must be one
    of the store's own, and the store must be usable again afterwards.

    Args:
        target: The store.
        directory: A new directory; the store goes to `store` in it.
        steps: How many writes are tried at most.
        seed: Decides what is written.

    Returns:
        What was acknowledged, what is lost, and what else is wrong.
    """
    report = CrashReport()
    place, journal = directory / "store", directory / "journal"
    directory.mkdir(parents=True, exist_ok=True)
    target.prepare(place)
    largest = max((file.stat().st_size for file in place.rglob("*") if file.is_file()), default=0)
    child = start(target, place, journal, job="fill", seed=seed, steps=steps, limit=largest + _ROOM)
    said = end(child)
    if said is not None:
        report.problems.append(said)
    promises = read_journal(journal)
    report.acknowledged = sum("failures" not in promise for promise in promises)
    report.problems.extend(
        f"an error of the wrong kind: {item['wrong']}" for item in promises if "wrong" in item
    )
    if not any(promise.get("failures") for promise in promises):
        report.problems.append("the limit was never reached")
    look(target, place, promises, report, "with room again")
    return report

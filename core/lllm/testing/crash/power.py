"""Power that fails after every acknowledgement."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lllm.testing.crash.children import Target, end, start
from lllm.testing.crash.disks import Disk
from lllm.testing.crash.journal import look, read_journal
from lllm.testing.crash.reports import CrashReport
from lllm.testing.crash.traces import CHANGES, SYSCALLS, Call, parse_trace

__all__ = ["can_trace", "cut_power"]


def can_trace() -> bool:
    """Tell whether system calls can be recorded here: strace is installed and may be used."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    tried = subprocess.run([strace, "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def cut_power(target: Target, directory: Path, *, steps: int = 40, seed: int = 0) -> CrashReport:
    """Record the system calls of a writer, and open what is left after power cuts.

    Power fails after every acknowledgement, and at as many moments in between. Whatever was not flushed at
    that moment is gone; a second look is taken with a random part of it still there, sector by sector.

    Args:
        target: The store; its durability must be `disk`.
        directory: A new directory.
        steps: How many writes are recorded.
        seed: Decides what is written, when the power fails, and what survives of what was not flushed.

    Returns:
        What was acknowledged, what is lost, and what else is wrong.
    """
    report = CrashReport()
    place, journal, trace = directory / "store", directory / "journal", directory / "trace"
    place.mkdir(parents=True)
    prefix = ["strace", "-f", "-qq", "-xx", "-s", str(2**24), "-o", str(trace), "-e", f"trace={SYSCALLS}"]
    child = start(target, place, journal, prefix=prefix, job="write", create=True, seed=seed, steps=steps)
    said = end(child, patience=300.0)
    if said is not None:
        report.problems.append(said)
    promises = read_journal(journal)
    report.acknowledged = len(promises)
    with trace.open(encoding="ascii", errors="replace") as lines:
        calls = list(parse_trace(lines))
    seen = _replay(target, Disk(place, journal), calls, promises, report, random.Random(seed))
    if seen != len(promises):
        report.problems.append(f"{len(promises)} writes were acknowledged, {seen} were seen in the trace")
    return report


def _replay(
    target: Target,
    disk: Disk,
    calls: Sequence[Call],
    promises: Sequence[dict[str, Any]],
    report: CrashReport,
    noise: random.Random,
) -> int:
    """Cut the power at every acknowledgement and at random calls; return how many were seen."""
    seen = 0
    changes = [place for place, call in enumerate(calls) if call.name in CHANGES]
    between = set(noise.sample(changes, min(len(promises), len(changes))))
    restored = Path(disk.root).with_name("restored")
    for place, call in enumerate(calls):
        acknowledged = disk.apply(call)
        seen += acknowledged
        # Before the first acknowledgement there may be no store yet.
        if seen and (acknowledged or place in between):
            for variant in (None, noise):
                disk.restore(restored, variant)
                look(
                    target,
                    restored,
                    promises[:seen],
                    report,
                    f"power cut at call {place}, {seen} acknowledged",
                )
    return seen

"""Time something against a baseline that is measured in the same run.

Figures are minima over interleaved rounds: a slow spell of the machine hits both sides alike, and the
minimum is the round that was disturbed least. A benchmark prints one line a figure, as a ratio.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence

Batch = Callable[[int], object]
"""Does the measured thing as often as it is told to."""


def calls(function: Callable[[], object]) -> Batch:
    """Return a batch that calls `function` again and again."""

    def batch(number: int) -> None:
        for _ in range(number):
            function()

    return batch


def awaits(function: Callable[[], Awaitable[object]]) -> Batch:
    """Return a batch that awaits `function()` again and again, all on one event loop."""

    async def repeat(number: int) -> None:
        for _ in range(number):
            await function()

    def batch(number: int) -> None:
        asyncio.run(repeat(number))

    return batch


def processes(argv: Sequence[str], **options: object) -> Batch:
    """Return a batch that runs `argv` to its end again and again; a failure of it is raised.

    Args:
        argv: The command, program first.
        options: Passed on to `subprocess.run`, for instance `env` and `cwd`. Without `env` it is ours, but bytecode
            is kept whatever ours says: an installed program has it.
    """
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    options = {"env": clean, **options}

    def batch(number: int) -> None:
        for _ in range(number):
            subprocess.run(argv, check=True, capture_output=True, **options)  # type: ignore[call-overload]

    return batch


def seconds(batch: Batch, number: int) -> float:
    """Return how many seconds one of `number` repetitions took."""
    start = time.perf_counter()
    batch(number)
    return (time.perf_counter() - start) / number


def repetitions(batch: Batch, *, at_least: float = 0.02) -> int:
    """Return how many repetitions fill about `at_least` seconds, after one that pays for first uses."""
    batch(1)
    number = 1
    while (took := seconds(batch, number) * number) < at_least:
        number = max(number * 2, int(number * at_least / max(took, 1e-9)))
    return number


def best(*batches: Batch, rounds: int = 9) -> list[float]:
    """Return the best seconds per repetition of each batch, all measured turn by turn.

    Args:
        batches: What to compare.
        rounds: How many turns each of them gets.
    """
    numbers = [repetitions(batch) for batch in batches]
    turns = [[seconds(batch, number) for batch, number in zip(batches, numbers)] for _ in range(rounds)]
    return [min(column) for column in zip(*turns)]


def compare(
    name: str,
    batch: Batch,
    baseline_name: str,
    baseline: Batch,
    *,
    budget: float | None = None,
    rounds: int = 9,
) -> float:
    """Measure `batch` against `baseline`, print the line and return the ratio.

    Args:
        name: What is measured.
        batch: The measured side.
        baseline_name: What it is compared with.
        baseline: The other side.
        budget: The ratio that is promised, when one is.
        rounds: How many turns each side gets.
    """
    ours, theirs = best(batch, baseline, rounds=rounds)
    return report(name, ours, baseline_name, theirs, budget=budget)


def report(
    name: str, ours: float, baseline_name: str, theirs: float, *, budget: float | None = None
) -> float:
    """Print one line for two durations in seconds and return their ratio."""
    ratio = ours / theirs
    promise = "" if budget is None else f"   budget {budget:g} x{'' if ratio <= budget else ' EXCEEDED'}"
    print(f"{name:<42} {ratio:7.2f} x {baseline_name} ({duration(ours)} against {duration(theirs)}){promise}")
    return ratio


def duration(value: float) -> str:
    """Return seconds as text with a readable unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"

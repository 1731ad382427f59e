"""Single bytes that change on the disk."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from lllm.errors import SSSNError
from lllm.store import Store
from lllm.testing.crash.children import Target
from lllm.testing.crash.reports import CrashReport

__all__ = ["flip_bytes"]

_Facts = dict[tuple[str, str], Any]


def flip_bytes(target: Target, directory: Path, *, flips: int = 12, seed: int = 0) -> CrashReport:
    """Flip one byte in every file of a store, again and again, and read everything.

    Whatever is read must be what was written: an event that cannot be read is skipped and reported by
    `check`, a record that cannot be read raises an error of the store, and nothing comes back changed.

    Args:
        target: The store.
        directory: A new directory.
        flips: How many bytes of each file.
        seed: Decides which bytes.

    Returns:
        What came back changed, or disappeared without a word.
    """
    noise = random.Random(seed)
    report = CrashReport()
    original, damaged = directory / "original", directory / "damaged"
    with target.open(original) as store:
        _furnish(store)
        facts = _read(store, [])
    report.acknowledged = len(facts)
    for file in sorted(path for path in original.rglob("*") if path.is_file() and path.stat().st_size):
        for _ in range(flips):
            shutil.rmtree(damaged, ignore_errors=True)
            shutil.copytree(original, damaged)
            name = file.relative_to(original)
            content = bytearray(file.read_bytes())
            place = noise.randrange(len(content))
            content[place] ^= 1 << noise.randrange(8)
            (damaged / name).write_bytes(content)
            report.points += 1
            _compare(target, damaged, facts, report, f"{name}, byte {place}")
    return report


def _furnish(store: Store) -> None:
    """Write some of everything, in texts of which every byte counts."""
    for name in ("raw", "out"):
        store.create_channel({"name": name, "description": f"the channel {name}", "metadata": {"of": name}})
    store.append_events(
        {
            "id": f"e{number}",
            "channel": "raw" if number % 3 else "out",
            "kind": f"kind-{number % 2}",
            "payload": {"number": number, "text": f"payload {number} " * 5},
            "correlation_id": f"episode-{number % 4}",
            "parent_ids": [f"e{number - 1}"] if number else [],
        }
        for number in range(60)
    )
    for number in range(3):
        store.put_snapshot({"name": f"n{number}", "value": {"text": f"value {number} " * 5}})
        store.write_artifact_stream([f"artifact {number} ".encode() * 200], artifact_id=f"a{number}")


def _compare(target: Target, directory: Path, facts: _Facts, report: CrashReport, place: str) -> None:
    failures: list[str] = []
    try:
        with target.open(directory) as store:
            found = _read(store, failures)
            sound = store.check(deep=True).ok and not failures
    except SSSNError:
        return
    except Exception as error:
        report.problems.append(f"{place}: {type(error).__name__}: {error}")
        return
    for key, value in found.items():
        if facts.get(key) != value:
            report.lost.append(f"{place}: {' '.join(key)} came back changed")
    if sound and len(found) < len(facts):
        report.lost.append(f"{place}: {len(facts) - len(found)} records are gone, and nobody says so")


def _read(store: Store, failures: list[str]) -> _Facts:
    """Return everything that can be read."""
    facts: _Facts = {}
    for channel in _tried(store.list_channels, failures) or ():
        facts["channel", channel.name] = channel
        for event in _tried(lambda name=channel.name: list(store.iter_events(name)), failures) or ():
            facts["event", event.id] = event
    for number in range(60):
        event = _tried(lambda name=f"e{number}": store.get_event(name), failures)
        if event is not None:
            facts["get_event", event.id] = event
    for name in ("n0", "n1", "n2"):
        facts["snapshot", name] = _tried(lambda key=name: store.get_snapshot(key), failures)
    for name in ("a0", "a1", "a2"):
        facts["artifact", name] = _tried(lambda key=name: store.read_artifact(key), failures)
    return {key: value for key, value in facts.items() if value is not None}


def _tried(read: Any, failures: list[str]) -> Any:
    try:
        return read()
    except SSSNError as error:
        failures.append(str(error))
        return None

"""What a worker says it was promised, and whether a store has kept it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lllm.errors import SSSNError
from lllm.store import Event, Store
from lllm.testing.crash.children import Target
from lllm.testing.crash.reports import CrashReport

__all__ = ["look", "read_journal"]


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the acknowledgements in a worker's journal; a torn last line was never one.

    Args:
        path: The journal.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]


def look(
    target: Target, directory: Path, promises: Iterable[dict[str, Any]], report: CrashReport, moment: str
) -> None:
    """Open a store after an accident, and look for everything that was acknowledged.

    Args:
        target: The store.
        directory: Its directory.
        promises: Acknowledgements, as workers write them.
        report: Gets what is lost and what is wrong.
        moment: When the accident happened, for the report.
    """
    found = CrashReport()
    try:
        with target.open(directory) as store:
            _verify(store, promises, found)
            store.append_event({"channel": "raw", "payload": moment})
    except SSSNError as error:
        found.lost.append(f"the store cannot be used: {error}")
    report.points += 1
    report.lost.extend(f"{moment}: {lost}" for lost in found.lost)
    report.problems.extend(f"{moment}: {problem}" for problem in found.problems)


def _verify(store: Store, promises: Iterable[dict[str, Any]], report: CrashReport) -> None:
    """Look for lost promises, and for halves of what is all or nothing."""
    events = {event.id: event for name in _channels(store) for event in store.iter_events(name)}
    report.lost.extend(lost for promise in promises for lost in _broken(store, promise, events))
    report.problems.extend(_halves(events.values()))
    report.problems.extend(store.check(deep=True).problems)


def _channels(store: Store) -> list[str]:
    return [channel.name for channel in store.list_channels()]


def _broken(store: Store, promise: dict[str, Any], events: dict[str, Event]) -> Iterator[str]:
    for event_id, cursor, payload in promise.get("events", ()):
        event = events.get(event_id)
        if event is None or (event.cursor, event.payload) != (cursor, payload):
            yield f"event {event_id} at cursor {cursor}"
    try:
        if "snapshot" in promise:
            name, revision, value = promise["snapshot"]
            stored = store.get_snapshot(name)
            if (stored.revision or 0) < revision or (stored.revision == revision and stored.value != value):
                yield f"snapshot {name}, revision {revision}"
        if "artifact" in promise:
            artifact_id, text = promise["artifact"]
            if store.read_artifact(artifact_id) != text.encode():
                yield f"artifact {artifact_id}"
    except SSSNError as error:
        yield str(error)


def _halves(events: Iterable[Event]) -> Iterator[str]:
    """Name the batches of which only a part is stored."""
    seen: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for event in events:
        batch = event.metadata.get("batch")
        if batch is not None:
            seen[batch] = seen.get(batch, 0) + 1
            sizes[batch] = event.metadata["size"]
    for batch, size in sizes.items():
        if seen[batch] != size:
            yield f"batch {batch}: {seen[batch]} of {size} events are stored"

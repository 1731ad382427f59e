"""Looking for damage that shows only when records are compared with each other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from lllm.errors import ArtifactCorruptError, ArtifactNotFoundError, SSSNError
from lllm.store.backend import Reader, Reads
from lllm.store.blobs import Blobs
from lllm.store.documents import artifact_of, channel_of, snapshot_of
from lllm.store.models import Artifact, Event
from lllm.store.rows import EventRow, event_of
from lllm.store.streams import open_payload, verify

__all__ = ["check_store"]

_PAGE = 1000
_SETTLED = 3600.0


def check_store(read: Reads, blobs: Blobs, *, deep: bool) -> tuple[list[str], dict[str, int]]:
    """Compare the records of a store with each other and with the files of its artifacts.

    Args:
        read: Runs work on one state of the store.
        blobs: Where the bytes of artifacts are.
        deep: Whether to compare the bytes of every artifact with their hash.

    Returns:
        What is wrong, a line for each problem, and how many records were looked at.
    """
    counts: Counter[str] = Counter()
    checks: tuple[Callable[[Reader], Iterator[str]], ...] = (
        lambda tx: _check_channels(tx, counts),
        lambda tx: _check_subscriptions(tx, counts),
        lambda tx: _check_snapshots(tx, counts),
        lambda tx: _check_artifacts(tx, blobs, counts, deep=deep),
        lambda tx: _check_orphans(tx, blobs, counts),
    )
    problems = [problem for check in checks for problem in read(lambda tx, run=check: list(run(tx)))]  # type: ignore[misc]
    return problems, dict(counts)


def _check_channels(tx: Reader, counts: Counter[str]) -> Iterator[str]:
    names: list[str] = []
    for doc in tx.channels():
        counts["channels"] += 1
        try:
            names.append(channel_of(doc).name)
        except SSSNError:
            yield "a channel record cannot be decoded"
    # Parents may have been removed on purpose; then a missing one proves nothing.
    removed = tx.counts().get("dropped_channels", 0) > 0 or any(tx.first_cursor(name) > 1 for name in names)
    for name in names:
        yield from _check_events(tx, name, counts, removed=removed)


def _check_events(tx: Reader, channel: str, counts: Counter[str], *, removed: bool) -> Iterator[str]:
    expected = tx.first_cursor(channel)
    position = 0
    after = 0
    while rows := tx.events(channel, after=after, limit=_PAGE):
        events: list[Event] = []
        for row in rows:
            if row[1] != expected:
                yield f"channel {channel}: cursor {row[1]} follows where {expected} is due"
            if row[7] <= position:
                yield f"channel {channel}: cursor {row[1]} is out of append order"
            expected, position = row[1] + 1, row[7]
            yield from _decoded(row, events, counts)
        counts["events"] += len(rows)
        yield from _check_parents(tx, events, counts, removed=removed)
        after = rows[-1][1]
    head = tx.head(channel) or 0
    if expected != head + 1:
        yield f"channel {channel}: the head is {head}, the last event is {expected - 1}"


def _decoded(row: EventRow, events: list[Event], counts: Counter[str]) -> Iterator[str]:
    try:
        events.append(event_of(row))
    except (ValueError, TypeError, IndexError, KeyError):
        counts["undecodable"] += 1
        yield f"channel {row[2]}: the event at cursor {row[1]} cannot be decoded"


def _check_parents(tx: Reader, events: list[Event], counts: Counter[str], *, removed: bool) -> Iterator[str]:
    ids = {parent for event in events for parent in event.parent_ids}
    if not ids:
        return
    stored = tx.find_events(list(ids))
    for event in events:
        for parent in event.parent_ids:
            if parent in stored:
                continue
            counts["missing_parents"] += 1
            if not removed:
                yield f"event {event.id}: its parent {parent} is not in the store"


def _check_subscriptions(tx: Reader, counts: Counter[str]) -> Iterator[str]:
    for row in tx.subscriptions():
        counts["subscriptions"] += 1
        if tx.head(row.channel) is None:
            yield f"subscription {row.id}: its channel {row.channel} does not exist"
        if row.cursor > row.handed:
            yield f"subscription {row.id}: its floor {row.cursor} is above {row.handed}, the last one handed out"
        waiting = sum(tx.waiting_counts(row.number))
        if waiting != row.waiting:
            yield f"subscription {row.id}: {waiting} deliveries wait where {row.waiting} are counted"


def _check_snapshots(tx: Reader, counts: Counter[str]) -> Iterator[str]:
    for doc in tx.snapshots():
        counts["snapshots"] += 1
        try:
            snapshot = snapshot_of(doc)
        except SSSNError:
            yield "a snapshot record cannot be decoded"
            continue
        if snapshot.revision != tx.snapshot_revision(snapshot.name):
            yield f"snapshot {snapshot.name}: revision {snapshot.revision} is not the last one"


def _check_artifacts(tx: Reader, blobs: Blobs, counts: Counter[str], *, deep: bool) -> Iterator[str]:
    after = 0
    verified: set[str] = set()
    while page := tx.artifacts(after=after, limit=_PAGE):
        for number, doc in page:
            after = number
            counts["artifacts"] += 1
            try:
                artifact = artifact_of(doc)
            except SSSNError:
                yield "an artifact record cannot be decoded"
                continue
            yield from _check_payload(blobs, artifact, deep=deep and artifact.path not in verified)
            verified.add(artifact.path)


def _check_payload(blobs: Blobs, artifact: Artifact, *, deep: bool) -> Iterator[str]:
    try:
        size = blobs.size(artifact.path)
        if size is None:
            yield f"artifact {artifact.id}: its payload {artifact.path} is missing"
        elif size != artifact.size:
            yield f"artifact {artifact.id}: its payload has {size} bytes, not {artifact.size}"
        elif deep:
            with open_payload(blobs, artifact) as file:
                verify(file, artifact)
    except (ArtifactCorruptError, ArtifactNotFoundError) as error:
        yield f"artifact {artifact.id}: {error}"


def _check_orphans(tx: Reader, blobs: Blobs, counts: Counter[str]) -> Iterator[str]:
    kept = tx.artifact_paths()
    settled = time.time() - _SETTLED
    for path, size, changed in blobs.stored():
        counts["artifact_files"] += 1
        # A younger file may belong to a write that is under way.
        if path not in kept and changed < settled:
            yield f"{path}: no artifact names this file of {size} bytes; collect_garbage removes it"

"""Writing a whole store as JSON Lines that every backend can import."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Iterator
from typing import IO, Any

from lllm.store.backend import Reader, Reads, SubscriptionRow, WaitingRow
from lllm.store.blobs import Blobs
from lllm.store.documents import artifact_of, channel_of, retention_of, snapshot_of, subscription_of
from lllm.store.encoding import canonical_json, record_text
from lllm.store.models import Artifact
from lllm.store.reports import Retention
from lllm.store.rows import EventRow, events_of
from lllm.store.streams import open_payload, ranged

__all__ = ["FORMAT", "VERSION", "export_store"]

FORMAT = "lllm-store-export"
VERSION = 1

_PAGE = 1000
_CHUNK = 768 * 1024
_NEVER = float("inf")
_ALL_REVISIONS = 1_000_000


def export_store(read: Reads, blobs: Blobs, file: IO[str], *, artifacts: bool) -> int:
    """Write every record of a store, as it is when the export begins.

    Args:
        read: Runs work on one state of the store.
        blobs: Where the bytes of artifacts are.
        file: Where to write.
        artifacts: Whether to write the bytes of artifacts too.

    Returns:
        How many records were written.
    """
    file.write(canonical_json({"format": FORMAT, "version": VERSION}) + "\n")
    count = 0
    heads, records = read(_records)
    channels = records.pop("channel")
    for kind, values in (("channel", channels), ("event", _events(read, heads))):
        for value in values:
            _write(file, kind, value)
            count += 1
    for kind, values in records.items():
        for value in values:
            _write(file, kind, value)
            count += 1
    return count + _write_artifacts(read, blobs, file, payloads=artifacts)


def _write(file: IO[str], kind: str, value: dict[str, Any]) -> None:
    file.write(f'{{"type":"{kind}","value":{record_text(value)}}}\n')


def _records(tx: Reader) -> tuple[dict[str, int], dict[str, list[dict[str, Any]]]]:
    """Return the heads, and everything that is small, in one consistent state."""
    channels = [channel_of(doc) for doc in tx.channels()]
    heads = {channel.name: tx.head(channel.name) or 0 for channel in channels}
    records = {
        "channel": [channel.model_dump(by_alias=True) for channel in channels],
        "retention": list(_retentions(tx, heads)),
        "snapshot": list(_snapshots(tx)),
        "subscription": [_subscription(tx, row) for row in tx.subscriptions()],
    }
    return heads, records


def _retentions(tx: Reader, heads: dict[str, int]) -> Iterator[dict[str, Any]]:
    for name, head in heads.items():
        doc = tx.retention(name)
        if doc is not None or tx.first_cursor(name) > head > 0:
            retention = Retention(channel=name) if doc is None else retention_of(doc)
            yield {**retention.model_dump(), "head": head}


def _snapshots(tx: Reader) -> Iterator[dict[str, Any]]:
    for doc in tx.snapshots():
        history = tx.snapshot_history(snapshot_of(doc).name, _ALL_REVISIONS)
        for revision in reversed(history):
            yield snapshot_of(revision).model_dump(by_alias=True)


def _subscription(tx: Reader, row: SubscriptionRow) -> dict[str, Any]:
    value = subscription_of(row.doc, row.cursor).model_dump()
    waiting: list[WaitingRow] = tx.due(row.number, now=_NEVER, limit=row.waiting) if row.waiting else []
    return {
        **value,
        "handed": row.handed,
        "dead_lettered": row.dead_lettered,
        "waiting": [[cursor, attempt, error] for cursor, attempt, _, _, error in waiting],
    }


def _events(read: Reads, heads: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the events of all channels in append order."""
    streams = [_channel_rows(read, name, head) for name, head in heads.items()]
    for row in heapq.merge(*streams, key=lambda row: row[7]):
        for event in events_of([row]):
            yield event.model_dump(by_alias=True)


def _channel_rows(read: Reads, channel: str, head: int) -> Iterator[EventRow]:
    after = 0
    while True:
        start = after
        rows = read(lambda tx: tx.events(channel, after=start, before=head + 1, limit=_PAGE))  # noqa: B023
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1][1]


def _write_artifacts(read: Reads, blobs: Blobs, file: IO[str], *, payloads: bool) -> int:
    count = after = 0
    written: set[str] = set()
    while True:
        start = after
        page = read(lambda tx: tx.artifacts(after=start, limit=_PAGE))  # noqa: B023
        for number, doc in page:
            after = number
            artifact = artifact_of(doc)
            wanted = payloads and artifact.path not in written
            written.add(artifact.path)
            for value in _artifact_values(blobs, artifact, payload=wanted):
                _write(file, "artifact", value)
            count += 1
        if len(page) < _PAGE:
            return count


def _artifact_values(blobs: Blobs, artifact: Artifact, *, payload: bool) -> Iterator[dict[str, Any]]:
    """Yield chunks of the payload, then the record itself."""
    if payload:
        with open_payload(blobs, artifact) as source:
            for chunk in ranged(source, artifact, 0, None, _CHUNK):
                yield {"id": artifact.id, "chunk": base64.b64encode(chunk).decode()}
    yield artifact.model_dump()

"""Reading what `exporting` wrote, into a store of any backend."""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import IO, Any, NamedTuple

from lllm.errors import (
    ArtifactCorruptError,
    ChannelExistsError,
    EventConflictError,
    InvalidPayloadError,
    SnapshotConflictError,
    SubscriptionExistsError,
)
from lllm.store.backend import DuplicateId, SubscriptionRow, Writer, Writes
from lllm.store.blobs import Blobs
from lllm.store.documents import channel_of, document, snapshot_of, subscription_of
from lllm.store.encoding import decode_json
from lllm.store.engine.lookup import require_head
from lllm.store.engine.snapshots import KEPT_REVISIONS
from lllm.store.engine.tokens import new_secret
from lllm.store.exporting import FORMAT, VERSION
from lllm.store.inputs import validated
from lllm.store.models import Artifact, Channel, Event, Snapshot, Subscription
from lllm.store.records import kind_filter
from lllm.store.reports import Retention
from lllm.store.rows import EventRow, row_of, same_content, trusted_draft

__all__ = ["import_store"]

_BATCH = 1000


class _Line(NamedTuple):
    number: int
    kind: str
    value: dict[str, Any]


def import_store(write: Writes, blobs: Blobs, file: IO[str], *, skip: bool) -> int:
    """Write every record of an export into a store.

    Records that are stored already, with the same content, are passed over.

    Args:
        write: Runs work in a transaction of the store.
        blobs: Where the bytes of artifacts go.
        file: The export.
        skip: Pass over records that conflict with stored ones, instead of raising.

    Returns:
        How many records were written.

    Raises:
        InvalidPayloadError: The file is not an export, or a line is malformed.
        SSSNError: A record conflicts with a stored one; records of earlier batches stay.
    """
    count = 0
    for kind, lines in groupby(_lines(file), key=lambda line: line.kind):
        if kind == "artifact":
            count += _import_artifacts(write, blobs, lines, skip=skip)
            continue
        importer = _IMPORTERS.get(kind)
        while batch := list(islice(lines, _BATCH)):
            if importer is None:
                raise InvalidPayloadError(f"line {batch[0].number}: unknown record type {kind!r}")
            count += write(lambda tx, run=importer, part=batch: run(tx, part, skip))  # type: ignore[misc]
    return count


def _lines(file: IO[str]) -> Iterator[_Line]:
    number = 1
    try:
        _check_header(decode_json(file.readline() or "null"))
        for number, text in enumerate(file, 2):
            if text.strip():
                line = decode_json(text)
                yield _Line(number, str(line["type"]), dict(line["value"]))
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidPayloadError(f"line {number}: not a record of an export: {error}") from error


def _check_header(line: Any) -> None:
    if not isinstance(line, dict) or line.get("format") != FORMAT:
        raise InvalidPayloadError(f"line 1: not an export; the first line must name the format {FORMAT!r}")
    if line.get("version") != VERSION:
        raise InvalidPayloadError(f"line 1: version {line.get('version')!r} of the format is not known")


def _import_channels(tx: Writer, lines: Sequence[_Line], skip: bool) -> int:
    count = 0
    for line in lines:
        channel = validated(Channel, line.value, "channel")
        doc = tx.channel(channel.name)
        if doc is None:
            tx.put_channel(channel.name, document(channel))
            count += 1
        elif channel_of(doc) != channel and not skip:
            raise ChannelExistsError(f"Channel already exists: {channel.name}")
    return count


def _import_events(tx: Writer, lines: Sequence[_Line], skip: bool) -> int:
    events = [validated(Event, line.value, "event") for line in lines]
    known = tx.find_events([event.id for event in events])
    heads: dict[str, int] = {}
    position = tx.last_position()
    now = time.time_ns() // 1000
    rows: list[EventRow] = []
    links: list[tuple[str, int]] = []
    for event in events:
        _check_time(event, "event")
        if event.channel not in heads:
            heads[event.channel] = require_head(tx, event.channel)
        draft = trusted_draft(event.__dict__)
        stored = known.get(event.id)
        if stored is not None and (skip or same_content(stored, draft)):
            continue
        cursor = event.cursor or heads[event.channel] + 1
        if stored is not None or cursor <= heads[event.channel]:
            if skip:
                continue
            raise EventConflictError(f"Event already exists with different content: {event.id}")
        heads[event.channel] = cursor
        # The time of the append is not exported; the event's own time is the nearest guess.
        position = max(position + 1, min(now, int(max(0.0, event.timestamp) * 1_000_000)))
        links.extend((parent, len(rows)) for parent in dict.fromkeys(event.parent_ids))
        rows.append(row_of(draft, cursor, position))
    if rows:
        _insert(tx, rows, links)
    return len(rows)


def _check_time(record: Event | Snapshot, label: str) -> None:
    if not math.isfinite(record.timestamp):
        raise InvalidPayloadError(f"Invalid {label}: {label}.timestamp must be finite.")


def _insert(tx: Writer, rows: Sequence[EventRow], links: Sequence[tuple[str, int]]) -> None:
    try:
        tx.insert_events(rows, links)
    except DuplicateId as error:
        raise EventConflictError(
            "Event already exists with different content: an id of the export is used twice, or was removed here"
        ) from error


def _import_retentions(tx: Writer, lines: Sequence[_Line], skip: bool) -> int:
    for line in lines:
        head = line.value.pop("head", 0)
        retention = validated(Retention, line.value, "retention")
        if require_head(tx, retention.channel) < head:
            tx.set_head(retention.channel, head)
        limits = (retention.max_events, retention.max_age_seconds, retention.max_bytes)
        taken = skip and tx.retention(retention.channel) is not None
        if not taken and any(limit is not None for limit in limits):
            tx.put_retention(retention.channel, document(retention))
    return len(lines)


def _import_snapshots(tx: Writer, lines: Sequence[_Line], skip: bool) -> int:
    count = 0
    for line in lines:
        snapshot = validated(Snapshot, line.value, "snapshot")
        _check_time(snapshot, "snapshot")
        current = tx.snapshot_revision(snapshot.name)
        revision = snapshot.revision or current + 1
        if revision <= current:
            doc = tx.snapshot(snapshot.name, revision)
            if not skip and (doc is None or snapshot_of(doc) != snapshot):
                raise SnapshotConflictError(snapshot.name, revision - 1, current)
            continue
        snapshot.revision = revision
        tx.put_snapshot(snapshot.name, revision, snapshot.channel, document(snapshot), KEPT_REVISIONS)
        count += 1
    return count


def _import_subscriptions(tx: Writer, lines: Sequence[_Line], skip: bool) -> int:
    count = 0
    for line in lines:
        value = line.value
        subscription = validated(Subscription, value, "subscription")
        stored = tx.subscription(subscription.id)
        if stored is not None:
            if not skip and subscription_of(stored.doc, stored.cursor) != subscription:
                raise SubscriptionExistsError(f"Subscription already exists: {subscription.id}")
            continue
        require_head(tx, subscription.channel)
        waiting = [
            (int(cursor), int(attempt), 0.0, 0, error) for cursor, attempt, error in value.get("waiting", ())
        ]
        row = SubscriptionRow(
            number=0,
            id=subscription.id,
            channel=subscription.channel,
            kind=kind_filter(subscription.filters),
            doc=document(subscription.model_copy(update={"cursor": 0})),
            cursor=subscription.cursor,
            handed=int(value.get("handed", subscription.cursor)),
            waiting=len(waiting),
            dead_lettered=int(value.get("dead_lettered", 0)),
            secret=new_secret(),
        )
        number = tx.add_subscription(row)
        if waiting:
            tx.put_waiting(number, waiting)
        count += 1
    return count


def _import_artifacts(write: Writes, blobs: Blobs, lines: Iterator[_Line], *, skip: bool) -> int:
    count = 0
    for _, group in groupby(lines, key=lambda line: line.value.get("id")):
        record, path = _import_payload(blobs, group)
        if record is None:
            raise InvalidPayloadError("an artifact of the export ends before its record")
        artifact = validated(Artifact, {**record.value, **({"path": path} if path else {})}, "artifact")
        count += write(lambda tx, item=artifact: _import_artifact(tx, item, skip))  # type: ignore[misc]
    return count


def _import_payload(blobs: Blobs, lines: Iterator[_Line]) -> tuple[_Line | None, str | None]:
    """Store the chunks that come before the record of an artifact, and return the record and their path."""
    record: list[_Line] = []
    first = next(lines)
    if "chunk" not in first.value:
        empty = first.value.get("size") == 0
        return first, blobs.write(()).path if empty else None

    def chunks() -> Iterator[bytes]:
        line = first
        while "chunk" in line.value:
            try:
                yield base64.b64decode(line.value["chunk"], validate=True)
            except (binascii.Error, ValueError, TypeError) as error:
                raise InvalidPayloadError(f"line {line.number}: the chunk is not base64") from error
            following = next(lines, None)
            if following is None:
                return
            line = following
        record.append(line)

    blob = blobs.write(chunks())
    if record and record[0].value.get("sha256") not in {None, blob.sha256}:
        raise ArtifactCorruptError(f"Artifact payload is corrupt: {record[0].value.get('id')}")
    return (record[0] if record else None), blob.path


def _import_artifact(tx: Writer, artifact: Artifact, skip: bool) -> int:
    doc = tx.artifact(artifact.id)
    if doc is not None:
        if not skip and doc != document(artifact):
            raise InvalidPayloadError(f"Artifact already exists with different content: {artifact.id}")
        return 0
    event_ids = tuple(dict.fromkeys(artifact.event_ids))
    tx.put_artifact(artifact.id, artifact.channel, artifact.path, event_ids, document(artifact))
    return 1


_IMPORTERS: dict[str, Callable[[Writer, Sequence[_Line], bool], int]] = {
    "channel": _import_channels,
    "event": _import_events,
    "retention": _import_retentions,
    "snapshot": _import_snapshots,
    "subscription": _import_subscriptions,
}

"""Commands about events: append, query, follow."""

from __future__ import annotations

import itertools
import re
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lllm.errors import SSSNError
from sssn.cli.inputs import given, json_object, json_value, read_text
from sssn.cli.parser import Commands, Parser

if TYPE_CHECKING:
    from lllm.store import Event, Store

__all__ = ["register"]

BATCH_LINES = 1000
_BATCH_ERROR = re.compile(r"events\[(\d+)\]: (.*)", re.DOTALL)


def register(commands: Commands) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where they are collected.
    """
    append = commands.add("append", _append, "Append one event to a channel.", changes_only=True)
    append.add_argument("channel", metavar="CHANNEL")
    append.add_argument("payload", metavar="PAYLOAD", help="the payload as JSON; - reads it from stdin")
    _add_fields(append)
    append.add_argument("--timestamp", type=float, metavar="FLOAT", help="seconds since 1970 (default: now)")
    append.add_argument("--id", help="id of the event; a repeat with equal content appends nothing")
    append.add_argument(
        "--parent-id", action="append", default=[], dest="parent_ids", metavar="ID", help="repeatable"
    )
    batch = commands.add(
        "append-batch",
        _append_batch,
        "Append events from JSON Lines on stdin, in one atomic batch per 1,000 lines.",
        changes_only=True,
    )
    batch.add_argument("channel", metavar="CHANNEL")
    batch.add_argument(
        "--payloads",
        action="store_true",
        help="each line is a payload instead of an object with event fields",
    )
    _add_fields(batch)
    query = commands.add("query-events", _query_events, "List events of a channel in cursor order.")
    query.add_argument("channel", metavar="CHANNEL")
    query.add_argument("--after-cursor", type=int, default=0, metavar="N", help="start above N (default: 0)")
    query.add_argument("--limit", type=int, default=100, metavar="N", help="at most N events (default: 100)")
    query.add_argument("--kind", help="only events of this kind")
    get = commands.add("get-event", _get_event, "Show one event.")
    get.add_argument("id", metavar="ID")
    tail = commands.add("tail", _tail, "Print events as they are appended, until interrupted.")
    tail.add_argument("channel", metavar="CHANNEL")
    tail.add_argument(
        "--after-cursor",
        type=int,
        metavar="N",
        help="start above N; 0 is the beginning (default: the newest event)",
    )
    tail.add_argument("--kind", help="only events of this kind")
    tail.add_argument("--limit", type=int, metavar="N", help="stop after N events")
    tail.add_argument("--timeout", type=float, metavar="SECONDS", help="stop after so long without an event")


def _add_fields(parser: Parser) -> None:
    parser.add_argument("--kind", help="kind of the event (default: event)")
    parser.add_argument("--source", help="who produced it")
    parser.add_argument("--schema", help="name of the schema of the payload")
    parser.add_argument("--metadata", metavar="JSON", help="a JSON object")
    parser.add_argument("--correlation-id", help="what belongs together")


def _fields(args: Namespace) -> dict[str, Any]:
    fields = given(args, "kind", "source", "schema", "correlation_id")
    if (metadata := json_object(args.metadata, "--metadata")) is not None:
        fields["metadata"] = metadata
    return fields


def _append(store: Store, args: Namespace) -> Iterable[Any]:
    text = read_text(args.payload, "event payload")
    event = {
        "channel": args.channel,
        "payload": json_value(text, "event payload"),
        **_fields(args),
        **given(args, "id", "timestamp", "parent_ids"),
    }
    yield store.append_event(event)


def _append_batch(store: Store, args: Namespace) -> Iterator[Any]:
    fields = _fields(args)
    lines = ((number, line) for number, line in enumerate(sys.stdin.buffer, 1) if line.strip())
    while batch := list(itertools.islice(lines, BATCH_LINES)):
        events = [_line_event(number, line, args, fields) for number, line in batch]
        yield from _append_events(store, events, [number for number, _ in batch])


def _line_event(number: int, line: bytes, args: Namespace, fields: dict[str, Any]) -> dict[str, Any]:
    try:
        value = json_value(line.decode(), "event payload" if args.payloads else "event")
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    if args.payloads:
        return {**fields, "channel": args.channel, "payload": value}
    if not isinstance(value, dict):
        text = f"line {number}: event must be a JSON object; use --payloads for lines of payloads"
        raise ValueError(text)  # noqa: TRY004 - it is the user's text
    if value.get("channel", args.channel) != args.channel:
        raise ValueError(f"line {number}: event names another channel: {value['channel']!r}")
    return {**fields, **value, "channel": args.channel}


def _append_events(store: Store, events: list[dict[str, Any]], numbers: list[int]) -> tuple[Event, ...]:
    try:
        return store.append_events(events)
    except SSSNError as error:
        if (match := _BATCH_ERROR.fullmatch(str(error))) is None:
            raise
        raise ValueError(f"line {numbers[int(match[1])]}: {match[2]}") from error


def _query_events(store: Store, args: Namespace) -> Iterable[Any]:
    return store.query_events(args.channel, after_cursor=args.after_cursor, limit=args.limit, kind=args.kind)


def _get_event(store: Store, args: Namespace) -> Iterable[Any]:
    yield store.get_event(args.id)


def _tail(store: Store, args: Namespace) -> Iterable[Any]:
    if args.limit is not None and args.limit < 1:
        raise ValueError("limit must be greater than 0.")
    events = store.tail(args.channel, after_cursor=args.after_cursor, kind=args.kind, timeout=args.timeout)
    return itertools.islice(events, args.limit)

"""Commands about artifacts."""

from __future__ import annotations

import base64
import binascii
import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sssn.cli.inputs import STDIN, given, json_object, open_input
from sssn.cli.parser import Commands

if TYPE_CHECKING:
    from lllm.store import Store

__all__ = ["register"]


def register(commands: Commands) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where they are collected.
    """
    listing = commands.add("artifacts", _artifacts, "List artifacts.")
    listing.add_argument("--channel", help="only those of this channel")
    listing.add_argument("--event-id", metavar="ID", help="only those that name this event")
    listing.add_argument("--limit", type=int, default=100, metavar="N", help="at most N (default: 100)")
    write = commands.add("write-artifact", _write_artifact, "Write an artifact.")
    write.add_argument("data", nargs="?", metavar="DATA", help="the content; - reads bytes from stdin")
    write.add_argument("--file", metavar="PATH", help="read the content from this file, or from stdin for -")
    write.add_argument(
        "--encoding",
        choices=("text", "base64"),
        default="text",
        help="how the content is given (default: text)",
    )
    write.add_argument("--channel", help="channel it belongs to")
    write.add_argument("--media-type", help="default: application/octet-stream")
    write.add_argument("--metadata", metavar="JSON", help="a JSON object")
    write.add_argument(
        "--event-id", action="append", default=[], dest="event_ids", metavar="ID", help="repeatable"
    )
    get = commands.add("get-artifact", _get_artifact, "Show the record of one artifact.")
    get.add_argument("id", metavar="ID")
    read = commands.add("read-artifact", _read_artifact, "Print the content of one artifact.")
    read.add_argument("id", metavar="ID")
    read.add_argument(
        "--encoding", choices=("text", "base64"), default="text", help="how it is printed (default: text)"
    )
    read.add_argument("--output", metavar="PATH", help="write the bytes to this file, or to stdout for -")


def _artifacts(store: Store, args: Namespace) -> Iterable[Any]:
    return store.list_artifacts(channel=args.channel, event_id=args.event_id, limit=args.limit)


def _write_artifact(store: Store, args: Namespace) -> Iterable[Any]:
    if (args.data is None) == (args.file is None):
        raise ValueError("write-artifact takes either DATA or --file PATH")
    options = given(args, "channel", "media_type", "event_ids")
    options["metadata"] = json_object(args.metadata, "--metadata")
    if args.file is None and args.data != STDIN:
        yield store.write_artifact(_decoded(args.data, args.encoding), **options)
        return
    with open_input(args.file or STDIN) as source:
        if args.encoding == "text":
            yield store.write_artifact_stream(source, **options)
        else:
            yield store.write_artifact(_from_base64(b"".join(source.read().split())), **options)


def _decoded(text: str, encoding: str) -> bytes:
    # Bytes of an argument that are not UTF-8 arrive as surrogates; this gives them back as they were.
    return os.fsencode(text) if encoding == "text" else _from_base64(os.fsencode(text))


def _from_base64(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"invalid base64 data: {error}") from error


def _get_artifact(store: Store, args: Namespace) -> Iterable[Any]:
    yield store.get_artifact(args.id)


def _read_artifact(store: Store, args: Namespace) -> Iterable[Any]:
    if args.output is not None:
        with store.open_artifact(args.id) as source, _output(args.output) as sink:
            while chunk := source.read(1 << 20):
                sink.write(chunk)
        return
    data = store.read_artifact(args.id)
    if args.encoding == "base64":
        yield base64.b64encode(data).decode()
        return
    try:
        yield data.decode()
    except UnicodeDecodeError as error:
        raise ValueError("artifact payload is not valid UTF-8; use --encoding base64") from error


@contextmanager
def _output(path: str) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when it is complete; `-` is stdout."""
    if path == STDIN:
        yield sys.stdout.buffer
        return
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

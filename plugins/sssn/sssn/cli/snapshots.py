"""Commands about snapshots."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sssn.cli.inputs import given, json_object, json_value, read_text
from sssn.cli.parser import Commands

if TYPE_CHECKING:
    from lllm.store import Store

__all__ = ["register"]


def register(commands: Commands) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where they are collected.
    """
    listing = commands.add("snapshots", _snapshots, "List the snapshots.")
    listing.add_argument("--channel", help="only those of this channel")
    put = commands.add("put-snapshot", _put_snapshot, "Write a snapshot; all its fields are replaced.")
    put.add_argument("name", metavar="NAME")
    put.add_argument("value", metavar="VALUE", help="the value as JSON; - reads it from stdin")
    put.add_argument("--channel", help="channel it belongs to")
    put.add_argument("--schema", help="name of the schema of the value")
    put.add_argument("--source-event-id", metavar="ID", help="event it was made from")
    put.add_argument("--metadata", metavar="JSON", help="a JSON object")
    put.add_argument("--timestamp", type=float, metavar="FLOAT", help="seconds since 1970 (default: now)")
    put.add_argument(
        "--expected-revision", type=int, metavar="N", help="fail unless this is the current one; 0: none yet"
    )
    get = commands.add("get-snapshot", _get_snapshot, "Show one snapshot.")
    get.add_argument("name", metavar="NAME")
    delete = commands.add("delete-snapshot", _delete_snapshot, "Delete a snapshot.", changes_only=True)
    delete.add_argument("name", metavar="NAME")
    delete.add_argument(
        "--expected-revision", type=int, metavar="N", help="fail unless this is the current one"
    )


def _snapshots(store: Store, args: Namespace) -> Iterable[Any]:
    return store.list_snapshots(args.channel)


def _put_snapshot(store: Store, args: Namespace) -> Iterable[Any]:
    text = read_text(args.value, "snapshot value")
    snapshot = {
        "value": json_value(text, "snapshot value"),
        "metadata": json_object(args.metadata, "--metadata"),
        **given(args, "name", "channel", "schema", "source_event_id", "timestamp"),
    }
    yield store.put_snapshot(snapshot, expected_revision=args.expected_revision)


def _get_snapshot(store: Store, args: Namespace) -> Iterable[Any]:
    yield store.get_snapshot(args.name)


def _delete_snapshot(store: Store, args: Namespace) -> Iterable[Any]:
    store.delete_snapshot(args.name, expected_revision=args.expected_revision)
    return ()

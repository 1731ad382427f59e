"""Commands about channels."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sssn.cli.inputs import given, json_object
from sssn.cli.parser import Commands

if TYPE_CHECKING:
    from lllm.store import Store

__all__ = ["register"]


def register(commands: Commands) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where they are collected.
    """
    commands.add("channels", _channels, "List the channels by name.")
    get = commands.add("get-channel", _get_channel, "Show one channel.")
    get.add_argument("name", metavar="NAME")
    create = commands.add("create-channel", _create_channel, "Create a channel.")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--schema", help="name of the schema of its payloads")
    create.add_argument("--form", default="log", help="form of the channel (default: log)")
    create.add_argument("--description", default="", help="text for people")
    create.add_argument("--metadata", metavar="JSON", help="a JSON object")
    delete = commands.add("delete-channel", _delete_channel, "Delete a channel.", changes_only=True)
    delete.add_argument("name", metavar="NAME")
    delete.add_argument("--force", action="store_true", help="also when it has events or subscriptions")


def _channels(store: Store, args: Namespace) -> Iterable[Any]:
    return store.list_channels()


def _get_channel(store: Store, args: Namespace) -> Iterable[Any]:
    yield store.get_channel(args.name)


def _create_channel(store: Store, args: Namespace) -> Iterable[Any]:
    channel = given(args, "name", "schema", "form", "description")
    channel["metadata"] = json_object(args.metadata, "--metadata")
    yield store.create_channel(channel)


def _delete_channel(store: Store, args: Namespace) -> Iterable[Any]:
    store.delete_channel(args.name, force=args.force)
    return ()

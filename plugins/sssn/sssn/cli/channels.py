"""Commands about channels."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from sssn.cli.inputs import given, json_object
from sssn.cli.parser import Commands

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
    delete = commands.add("delete-channel", _delete_channel, "Delete a channel.")
    delete.add_argument("name", metavar="NAME")
    delete.add_argument("--force", action="store_true", help="also when it has events or subscriptions")


def _channels(args: Namespace) -> Iterable[Any]:
    return args.opened.list_channels()


def _get_channel(args: Namespace) -> Iterable[Any]:
    yield args.opened.get_channel(args.name)


def _create_channel(args: Namespace) -> Iterable[Any]:
    channel = given(args, "name", "schema", "form", "description")
    channel["metadata"] = json_object(args.metadata, "--metadata")
    yield args.opened.create_channel(channel)


def _delete_channel(args: Namespace) -> Iterable[Any]:
    args.opened.delete_channel(args.name, force=args.force)
    return ()

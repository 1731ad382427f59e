"""The arguments of the `sssn` command."""

from __future__ import annotations

import argparse
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from lllm import __version__

if TYPE_CHECKING:
    from lllm.store import Store

__all__ = ["Commands", "Parser", "PlainRun", "Run", "build_parser"]

Run = Callable[["Store", Namespace], Iterable[Any]]
"""Runs a command on the open store; yields what is printed, a line each."""

PlainRun = Callable[[Namespace], Iterable[Any]]
"""Runs a command that opens its stores itself."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors all start `sssn: error:`, also those of a subcommand."""

    def error(self, message: str) -> NoReturn:
        """Print usage and the message on stderr and exit with code 2.

        Args:
            message: What is wrong.
        """
        self.print_usage(sys.stderr)
        self.exit(2, f"sssn: error: {message}\n")


class Commands:
    """Collects the subcommands of one parser.

    Args:
        parser: The parser that gets the subcommands.
    """

    def __init__(self, parser: Parser) -> None:
        self._group = parser.add_subparsers(
            title="commands", dest="command", metavar="COMMAND", required=True, parser_class=Parser
        )

    def add(self, name: str, run: Run, summary: str, *, changes_only: bool = False) -> Parser:
        """Add a command that works on the store of `--store` and return its parser, for its arguments.

        Args:
            name: Name of the command.
            run: Takes the open store and the parsed arguments.
            summary: One sentence for the help.
            changes_only: It writes, but only to what exists: it creates no store.
        """
        return self._add(name, summary, run=run, plain_run=None, changes_only=changes_only)

    def add_plain(self, name: str, run: PlainRun, summary: str) -> Parser:
        """Add a command that opens its stores itself and return its parser, for its arguments.

        Args:
            name: Name of the command.
            run: Takes the parsed arguments.
            summary: One sentence for the help.
        """
        return self._add(name, summary, run=None, plain_run=run)

    def _add(self, name: str, summary: str, **defaults: Any) -> Parser:
        parser: Parser = self._group.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        parser.set_defaults(parser=parser, **defaults)
        return parser


def build_parser() -> Parser:
    """Build the parser of the whole command."""
    from sssn.cli import (
        artifacts,
        channels,
        events,
        leases,
        lineage,
        maintenance,
        serve,
        snapshots,
        subscriptions,
    )

    parser = Parser(
        prog="sssn",
        description="Work with a store of channels, subscriptions, artifacts and snapshots.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--store",
        default=".sssn",
        metavar="DIR_OR_URL",
        help="directory or URL of the store (default: .sssn)",
    )
    parser.add_argument(
        "--store-token-env",
        metavar="NAME",
        help="environment variable that holds the bearer token of a store behind HTTP",
    )
    parser.add_argument("--version", action="version", version=f"sssn {__version__}")
    commands = Commands(parser)
    for module in (
        channels,
        events,
        subscriptions,
        leases,
        artifacts,
        snapshots,
        lineage,
        maintenance,
        serve,
    ):
        module.register(commands)
    return parser

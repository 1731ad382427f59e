"""Commands about lineage: where a result came from, and what came of an event."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sssn.cli.output import choose_format
from sssn.cli.parser import Commands

if TYPE_CHECKING:
    pass

__all__ = ["register"]

PAGE = 1000


def register(commands: Commands) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where they are collected.
    """
    trace = commands.add(
        "trace", _trace, "Show every event of one correlation, in the order it was appended."
    )
    trace.add_argument(
        "correlation_id", metavar="CORRELATION_ID", help="a correlation id, or the id of its first event"
    )
    trace.add_argument(
        "--format",
        choices=("text", "json", "mermaid", "svg"),
        help="default: text on a terminal, else json",
    )
    trace.add_argument("--limit", type=int, metavar="N", help="at most N events (default: all)")
    parents = commands.add("parents", _parents, "Show the events that an event was made from.")
    parents.add_argument("id", metavar="ID")
    children = commands.add("children", _children, "Show the events that were made from an event.")
    children.add_argument("id", metavar="ID")
    children.add_argument("--limit", type=int, metavar="N", help="at most N events (default: all)")


def _trace(args: Namespace) -> Iterable[Any]:
    events = _trace_events(args.opened, args.correlation_id, args.limit)
    chosen = choose_format(args.format, "text")
    if chosen == "json":
        return events
    from sssn.cli.graph import build_lineage

    lineage = build_lineage(events)
    if chosen == "text":
        from sssn.cli.tree import draw_tree

        return draw_tree(lineage)
    if chosen == "mermaid":
        from sssn.cli.mermaid import draw_mermaid

        return draw_mermaid(lineage)
    from sssn.cli.svg import draw_svg

    return draw_svg(lineage, label=f"Lineage of {args.correlation_id}")


def _parents(args: Namespace) -> Iterable[Any]:
    return args.opened.parents(args.id)

"""Commands about lineage: where a result came from, and what came of an event."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sssn.cli.output import choose_format
from sssn.cli.parser import Commands

if TYPE_CHECKING:
    from lllm.store import Event, Store

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


def _trace(store: Store, args: Namespace) -> Iterable[Any]:
    events = _trace_events(store, args.correlation_id, args.limit)
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


def _parents(store: Store, args: Namespace) -> Iterable[Any]:
    return store.parents(args.id)


def _children(store: Store, args: Namespace) -> Iterable[Any]:
    return _pages(store.children, args.id, args.limit)


def _trace_events(store: Store, correlation_id: str, limit: int | None) -> Iterator[Event]:
    return _pages(store.trace, correlation_id, limit)


def _pages(fetch: Callable[..., tuple[Event, ...]], name: str, limit: int | None) -> Iterator[Event]:
    """Yield the events of all pages, at most `limit`; the first page is fetched before anything is printed."""
    if limit is not None and limit < 1:
        raise ValueError("limit must be greater than 0.")
    from lllm.store import page_token

    after: int | str = 0
    while limit is None or limit > 0:
        size = PAGE if limit is None else min(PAGE, limit)
        events = fetch(name, limit=size, after=after)
        yield from events
        if len(events) < size:
            return
        after = page_token(events[-1])
        limit = None if limit is None else limit - size

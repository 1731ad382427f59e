"""A lineage as an indented tree for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sssn.cli.graph import Lineage, short, title, when

if TYPE_CHECKING:
    from lllm.store import Event

__all__ = ["draw_tree"]


def draw_tree(lineage: Lineage) -> Iterator[str]:
    """Draw each event under its first parent, one line each.

    Args:
        lineage: What to draw.

    Yields:
        The lines.
    """
    tree = lineage.by_first_parent()
    names = {event.id: title(event) for event in lineage.events}
    # A stack of its own, because a lineage may be deeper than Python recurses.
    stack = [(event, "", "") for event in reversed(tree.get(None, []))]
    while stack:
        event, own, below = stack.pop()
        yield f"{own}{_label(event, lineage, names)}"
        children = tree.get(event.id, [])
        for child in reversed(children):
            last = child is children[-1]
            stack.append((child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")))


def _label(event: Event, lineage: Lineage, names: dict[str, str]) -> str:
    parts = [title(event), short(event.kind)]
    if event.source:
        parts.append(f"from {short(event.source)}")
    parts += [when(event.timestamp), event.id]
    also = [names[parent] for parent in lineage.parents[event.id][1:]] + list(lineage.outside[event.id])
    if also:
        parts.append(f"(also after {', '.join(also)})")
    return "  ".join(parts)

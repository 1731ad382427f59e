"""A lineage as a picture: one box per event, parents on the left of their children."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from sssn.cli.graph import Lineage, title, when
from sssn.cli.output import json_line

if TYPE_CHECKING:
    from lllm.store import Event

__all__ = ["draw_svg"]

BOX_WIDTH, BOX_HEIGHT = 230, 62
COLUMN_GAP, ROW_GAP, MARGIN = 64, 18, 20
LINE_LENGTH, PAYLOAD_LENGTH = 32, 400
COLOURS = ("#3b6fb6", "#2e8b57", "#b5651d", "#8a4fae", "#b23a48", "#4f7f8c", "#7a7a1f", "#5a5a5a")

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE = (
    "text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1c1c1c}"
    ".title{font-weight:600}.small{font-size:11px;fill:#5c5c5c}"
    "rect{fill:#fff;stroke:#c4c4c4}path{fill:none;stroke:#8c8c8c;stroke-width:1.4}"
    ".outside{stroke-dasharray:4 3}"
    "@media (prefers-color-scheme:dark){text{fill:#eee}.small{fill:#b4b4b4}rect{fill:#222;stroke:#555}}"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a box stands: its upper left corner, in pixels."""

    x: float
    y: float


def draw_svg(lineage: Lineage, *, label: str) -> Iterator[str]:
    """Draw a lineage as a stand-alone SVG document.

    Args:
        lineage: What to draw.
        label: What the picture shows, for its title.

    Yields:
        The lines of the document.
    """
    places = _places(lineage)
    width = max((place.x for place in places.values()), default=0) + BOX_WIDTH + MARGIN
    height = max((place.y for place in places.values()), default=0) + BOX_HEIGHT + MARGIN
    channels = sorted({event.channel for event in lineage.events})
    colours = {channel: COLOURS[index % len(COLOURS)] for index, channel in enumerate(channels)}
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">'
    )
    yield f"<title>{_text(label)}</title><style>{_STYLE}</style>"
    yield (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 1 L7 4 L0 7"/></marker></defs>'
    )
    for event in lineage.events:
        yield from _edges(event, lineage, places)
    for event in lineage.events:
        yield from _box(event, places[event.id], colours[event.channel])
    yield "</svg>"


def _places(lineage: Lineage) -> dict[str, _Place]:
    """Give each leaf of the tree of first parents a row of its own, and centre parents on their children."""
    tree = lineage.by_first_parent()
    rows: dict[str, float] = {}
    next_row = 0
    stack = [(event, False) for event in reversed(tree.get(None, []))]
    while stack:
        event, placed = stack.pop()
        children = tree.get(event.id, [])
        if placed:
            rows[event.id] = (rows[children[0].id] + rows[children[-1].id]) / 2
        elif children:
            stack.append((event, True))
            stack += [(child, False) for child in reversed(children)]
        else:
            rows[event.id] = next_row
            next_row += 1
    depths = lineage.depths()
    return {
        name: _Place(MARGIN + depths[name] * (BOX_WIDTH + COLUMN_GAP), MARGIN + row * (BOX_HEIGHT + ROW_GAP))
        for name, row in rows.items()
    }


def _edges(event: Event, lineage: Lineage, places: dict[str, _Place]) -> Iterator[str]:
    end = places[event.id]
    y = end.y + BOX_HEIGHT / 2
    for parent in lineage.parents[event.id]:
        start = places[parent]
        x0, y0 = start.x + BOX_WIDTH, start.y + BOX_HEIGHT / 2
        bend = (end.x - x0) / 2
        yield (
            f'<path marker-end="url(#arrow)" '
            f'd="M{x0:g} {y0:g} C{x0 + bend:g} {y0:g} {end.x - bend:g} {y:g} {end.x - 2:g} {y:g}"/>'
        )
    if lineage.outside[event.id]:
        names = ", ".join(lineage.outside[event.id])
        yield (
            f'<path class="outside" marker-end="url(#arrow)" d="M{end.x - 18:g} {y:g} H{end.x - 2:g}">'
            f"<title>after {_text(names)}</title></path>"
        )


def _box(event: Event, place: _Place, colour: str) -> Iterator[str]:
    payload = json_line({"id": event.id, "payload": event.payload})
    yield f'<g transform="translate({place.x:g} {place.y:g})"><title>{_text(_cut(payload, PAYLOAD_LENGTH))}</title>'
    yield f'<rect width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="7"/>'
    yield f'<rect width="6" height="{BOX_HEIGHT}" rx="3" style="fill:{colour};stroke:none"/>'
    lines = (
        ("title", f"{title(event)} · {event.kind}"),
        ("", f"from {event.source}" if event.source else event.id),
        ("small", when(event.timestamp)),
    )
    for number, (style, line) in enumerate(lines):
        yield f'<text class="{style}" x="16" y="{20 + 17 * number}">{_text(_cut(line, LINE_LENGTH))}</text>'
    yield "</g>"


def _cut(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))

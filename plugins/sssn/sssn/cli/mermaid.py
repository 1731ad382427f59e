"""A lineage as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator

from sssn.cli.graph import Lineage, short, title

__all__ = ["draw_mermaid"]

_ENTITIES = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"})


def draw_mermaid(lineage: Lineage) -> Iterator[str]:
    """Draw events as boxes and parents outside the picture as dashed rounds.

    Args:
        lineage: What to draw.

    Yields:
        The lines of the flowchart.
    """
    nodes = {event.id: f"e{number}" for number, event in enumerate(lineage.events, 1)}
    missing = dict.fromkeys(parent for parents in lineage.outside.values() for parent in parents)
    outside = {parent: f"x{number}" for number, parent in enumerate(missing, 1)}
    yield "flowchart LR"
    for event in lineage.events:
        yield f'    {nodes[event.id]}["{_text(title(event))}<br/>{_text(short(event.kind))}"]'
    for parent, node in outside.items():
        yield f'    {node}(["{_text(short(parent))}"])'
    for event in lineage.events:
        for parent in lineage.parents[event.id]:
            yield f"    {nodes[parent]} --> {nodes[event.id]}"
        for parent in lineage.outside[event.id]:
            yield f"    {outside[parent]} -.-> {nodes[event.id]}"


def _text(text: str) -> str:
    return text.translate(_ENTITIES)

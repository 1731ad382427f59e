"""The graph that a lineage is drawn from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lllm.store import Event

__all__ = ["Lineage", "build_lineage", "short", "title", "when"]

TITLE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Lineage:
    """Events with the edges between them.

    Args:
        events: The events, parents before their children.
        parents: For each event id, its parents among `events`, each once.
        outside: For each event id, its parents that are not among `events`, each once.
    """

    events: tuple[Event, ...]
    parents: dict[str, tuple[str, ...]]
    outside: dict[str, tuple[str, ...]]

    def by_first_parent(self) -> dict[str | None, list[Event]]:
        """Return the events under their first parent; those without one under None."""
        tree: dict[str | None, list[Event]] = {}
        for event in self.events:
            parents = self.parents[event.id]
            tree.setdefault(parents[0] if parents else None, []).append(event)
        return tree

    def depths(self) -> dict[str, int]:
        """Return for each event id the length of the longest path from an event without parents."""
        depths: dict[str, int] = {}
        for event in self.events:
            depths[event.id] = max((depths[parent] + 1 for parent in self.parents[event.id]), default=0)
        return depths


def build_lineage(events: Iterable[Event]) -> Lineage:
    """Connect events by their parent ids.

    Args:
        events: Events in append order, so that parents come before their children.
    """
    kept = tuple(events)
    seen: set[str] = set()
    parents: dict[str, tuple[str, ...]] = {}
    outside: dict[str, tuple[str, ...]] = {}
    for event in kept:
        distinct = tuple(dict.fromkeys(event.parent_ids))
        parents[event.id] = tuple(parent for parent in distinct if parent in seen)
        outside[event.id] = tuple(parent for parent in distinct if parent not in seen)
        seen.add(event.id)
    return Lineage(kept, parents, outside)


def title(event: Event) -> str:
    """Return what identifies an event to a person: `channel #cursor`.

    Args:
        event: The event.
    """
    return f"{short(event.channel)} #{event.cursor}"


def short(text: str) -> str:
    """Return a text on one line, cut to a readable length.

    Args:
        text: Any text.
    """
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1]}…"


def when(timestamp: float) -> str:
    """Return a unix time as ISO text in UTC, or as a number when no calendar reaches it.

    Args:
        timestamp: Seconds since 1970.
    """
    try:
        moment = datetime.fromtimestamp(timestamp, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{timestamp:g}"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

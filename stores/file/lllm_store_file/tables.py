"""Everything a store holds, and the part of it that is small enough to be written whole."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from lllm.store.backend import SubscriptionRow
from lllm.store.memory import RecordTables
from lllm_store_file.event_index import EventIndex

__all__ = ["FileTables"]


class FileTables(EventIndex, RecordTables):
    """The primitives of `Reader` and `Writer`, with the events on disk and the rest in dictionaries."""

    @override
    def counts(self) -> dict[str, int]:
        return {
            "subscriptions": len(self._subscriptions),
            "artifacts": len(self._artifacts),
            "snapshots": len(self._snapshots),
            "dropped_channels": len(self._heads) - len(self._channels),
        }

    def dump(self) -> dict[str, Any]:
        """Return everything but the events as values of JSON."""
        return {
            "position": self._position,
            "channels": self._channels,
            "heads": self._heads,
            "floors": self.floors,
            "removed": list(self._removed.values()),
            "numbers": self._numbers,
            "subscriptions": list(self._subscriptions.values()),
            "waiting": [[number, list(rows.values())] for number, rows in self._waiting.items()],
            "outcomes": [[*key, *outcome] for key, outcome in self._outcomes.items()],
            "artifact_number": self._artifact_number,
            "artifacts": [[name, *row] for name, row in self._artifacts.items()],
            "snapshots": [
                [name, [[revision, *row] for revision, row in rows.items()]]
                for name, rows in self._snapshots.items()
            ],
            "revisions": self._revisions,
            "retentions": self._retentions,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take everything but the events from values that `dump` returned.

        Args:
            state: The values, perhaps from JSON.
        """
        self._position = state["position"]
        self._channels = state["channels"]
        self._heads = state["heads"]
        self.floors = state["floors"]
        self._removed = {row[0]: tuple(row) for row in state["removed"]}
        self._load_deliveries(state)
        self._artifact_number = state["artifact_number"]
        self._artifacts = {name: (*row[:3], tuple(row[3]), row[4]) for name, *row in state["artifacts"]}
        self._artifacts_of = {}
        for name, (_, _, _, event_ids, _) in self._artifacts.items():
            for event_id in event_ids:
                self._artifacts_of.setdefault(event_id, {})[name] = None
        self._snapshots = {
            name: {revision: (channel, doc) for revision, channel, doc in rows}
            for name, rows in state["snapshots"]
        }
        self._revisions = state["revisions"]
        self._retentions = state["retentions"]

    def _load_deliveries(self, state: dict[str, Any]) -> None:
        rows = [SubscriptionRow(*row) for row in state["subscriptions"]]
        self._numbers = state["numbers"]
        self._subscriptions = {row.number: row for row in rows}
        self._ids = {row.id: row.number for row in rows}
        self._waiting = {
            number: {row[0]: tuple(row) for row in waiting} for number, waiting in state["waiting"]
        }
        self._outcomes = {
            (number, cursor): (attempt, at) for number, cursor, attempt, at in state["outcomes"]
        }

"""Every row and document of a store in dictionaries."""

from __future__ import annotations

from typing_extensions import override

from lllm.store.memory.delivery_tables import DeliveryTables
from lllm.store.memory.event_tables import EventTables
from lllm.store.memory.record_tables import RecordTables

__all__ = ["MemoryTables"]


class MemoryTables(EventTables, DeliveryTables, RecordTables):
    """The primitives of `Reader` and `Writer` on dictionaries, with a way back for transactions that fail."""

    @override
    def counts(self) -> dict[str, int]:
        return {
            "subscriptions": len(self._subscriptions),
            "artifacts": len(self._artifacts),
            "snapshots": len(self._snapshots),
            "dropped_channels": len(self._logs) - len(self._channels),
        }

"""A store in the memory of one process: for tests, and the smallest complete backend to read."""

from __future__ import annotations

from lllm.store.backed import BackendStore
from lllm.store.memory.backend import MemoryBackend
from lllm.store.memory.blobs import MemoryBlobs
from lllm.store.memory.delivery_tables import DeliveryTables
from lllm.store.memory.record_tables import RecordTables
from lllm.store.memory.tables import MemoryTables

__all__ = [
    "DeliveryTables",
    "MemoryBackend",
    "MemoryBlobs",
    "MemoryStore",
    "MemoryTables",
    "RecordTables",
]


class MemoryStore(BackendStore):
    """A store that is gone with its process. Its durability is `memory`."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())

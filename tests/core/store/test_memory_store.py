"""The memory store is a store."""

from lllm.store import MemoryStore
from lllm.testing import StoreConformance


class TestMemoryStore(StoreConformance):
    """Every rule of the protocol, on dictionaries."""

    def make_store(self, directory):
        return MemoryStore()

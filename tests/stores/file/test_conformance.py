"""The file store is a Store: the suite of every backend."""

from __future__ import annotations

from lllm.testing import StoreConformance
from lllm.testing.stores.lineage import LineageTests
from lllm.testing.stores.queries import QueryTests
from lllm.testing.stores.retention import RetentionTests
from lllm.testing.stores.transfer import TransferTests
from lllm_store_file import FileStore


class TestFileStore(StoreConformance):
    """Every test of the suite, over the log of lines."""

    def make_store(self, directory):
        return FileStore(directory)

    def reopen(self, directory):
        return FileStore(directory)


class TestFileStoreInSmallSegments(QueryTests, LineageTests, RetentionTests, TransferTests):
    """What reads and removes events, with a new segment and a checkpoint after every few commits."""

    def make_store(self, directory):
        return FileStore(directory, segment_bytes=2048)

    def reopen(self, directory):
        return FileStore(directory, segment_bytes=2048)

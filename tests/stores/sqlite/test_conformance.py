"""The suite that every store passes, on this one."""

from __future__ import annotations

from pathlib import Path

from lllm.testing import StoreConformance
from lllm_store_sqlite import SQLiteStore


class TestSQLiteStore(StoreConformance):
    def make_store(self, directory: Path) -> SQLiteStore:
        return SQLiteStore(directory)

    def reopen(self, directory: Path) -> SQLiteStore:
        return SQLiteStore(directory)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lllm_store_sqlite import SQLiteStore


@pytest.fixture
def store(directory: Path) -> Iterator[SQLiteStore]:
    """Return a fresh store with the channels `raw` and `out`."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.create_channel({"name": "out"})
        yield store

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lllm_store_file import FileStore


@pytest.fixture
def store(directory: Path) -> Iterator[FileStore]:
    """Return a fresh store with the channels `raw` and `out`."""
    with FileStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.create_channel({"name": "out"})
        yield store

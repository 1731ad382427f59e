"""Every test in this folder runs on each store that keeps its events on a disk of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lllm.store import BackendStore
from lllm_store_file import FileStore
from lllm_store_sqlite import SQLiteStore


@pytest.fixture(params=[FileStore, SQLiteStore])
def disk(request: pytest.FixtureRequest) -> type[BackendStore]:
    """Return the class of the store."""
    return request.param


@pytest.fixture
def store(disk: type[BackendStore], directory: Path) -> Iterator[BackendStore]:
    """Return a fresh store with the channels `raw` and `out`."""
    with disk(directory) as store:
        store.create_channel({"name": "raw"})
        store.create_channel({"name": "out"})
        yield store


@pytest.fixture
def imported(disk: type[BackendStore]) -> str:
    """Return the line by which a program of its own gets the class as `Store`."""
    return f"from {disk.__module__} import {disk.__name__} as Store\n"

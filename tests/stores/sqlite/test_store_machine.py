"""The SQLite store agrees with the plain model over random histories."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from lllm.testing.store_machine import store_machine
from lllm_store_sqlite import SQLiteStore, appending


def make_store(directory: Path) -> SQLiteStore:
    return SQLiteStore(directory, durability="memory")


TestSQLiteMachine = store_machine(make_store, reopen=make_store, examples=30).TestCase


class TestCrowdedMachine(store_machine(make_store, reopen=make_store, examples=30).TestCase):  # type: ignore[misc]
    """The same where events move on to the indexed table all the time."""

    def setUp(self) -> None:
        super().setUp()
        for name, value in (("_MOST_RECENT", 3), ("_SMALL_BATCH", 2)):
            patch = mock.patch.object(appending, name, value)
            patch.start()
            self.addCleanup(patch.stop)

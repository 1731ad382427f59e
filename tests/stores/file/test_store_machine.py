"""The file store agrees with the plain model over random histories."""

from __future__ import annotations

from pathlib import Path

from lllm.testing.store_machine import store_machine
from lllm_store_file import FileStore


def make_store(directory: Path) -> FileStore:
    return FileStore(directory, durability="memory")


def make_crowded_store(directory: Path) -> FileStore:
    return FileStore(directory, durability="memory", segment_bytes=1024)


TestFileMachine = store_machine(make_store, reopen=make_store, examples=30).TestCase

TestSegmentsMachine = store_machine(make_crowded_store, reopen=make_crowded_store, examples=20).TestCase

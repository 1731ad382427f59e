"""Disks that fail to flush, and stores that are closed or opened wrongly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lllm.errors import StoreClosedError, StoreReadOnlyError
from lllm_store_file import FileStore


def test_reads_go_on_after_a_failed_flush(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only writes are refused, each with the reason; what failed is not there."""
    store.append_event({"channel": "raw"})

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(StoreReadOnlyError, match=r"flushing .* failed"):
            store.append_event({"channel": "raw"})
    with pytest.raises(StoreReadOnlyError, match=r"flushing .* failed"):
        store.append_events([{"channel": "raw"}])
    assert store.head("raw") == 1
    assert "flushing" in store.stats()["problem"]
    store.close()
    with FileStore(store.root) as again:
        assert again.append_event({"channel": "raw"}).cursor == 2


def test_a_closed_store_says_so(store: FileStore) -> None:
    """Reads, writes and waiting raise StoreClosedError; closing again does nothing; no file stays open."""
    store.close()
    store.close()
    for call in (store.list_channels, store.stats, lambda: store.append_event({"channel": "raw"})):
        with pytest.raises(StoreClosedError):
            call()
    opened = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.exists()]
    assert not [path for path in opened if path.startswith(str(store.root))]


def test_a_store_that_is_not_created_reads_as_empty(directory: Path) -> None:
    """With `create=False` nothing is made before the first write, and that makes all of it."""
    with FileStore(directory, create=False) as store:
        assert store.list_channels() == ()
        assert not directory.exists()
        store.create_channel({"name": "raw"})
        assert store.append_event({"channel": "raw"}).cursor == 1
    with FileStore(directory, read_only=True) as store:
        assert store.head("raw") == 1
        with pytest.raises(StoreReadOnlyError, match="read_only=True"):
            store.append_event({"channel": "raw"})


def test_a_missing_store_read_only_makes_nothing(directory: Path) -> None:
    """A reader of a store that is not there sees it appear."""
    with FileStore(directory, read_only=True) as reader:
        assert reader.list_channels() == ()
        assert not directory.exists()
        with FileStore(directory) as store:
            store.create_channel({"name": "raw"})
            assert [channel.name for channel in reader.list_channels()] == ["raw"]


@pytest.mark.parametrize(
    "options", [{"durability": "yes"}, {"timeout": -1}, {"timeout": "5"}, {"segment_bytes": 10}]
)
def test_impossible_options_are_refused(directory: Path, options: dict[str, object]) -> None:
    """A value that an option cannot have is a ValueError, before anything is made."""
    with pytest.raises(ValueError, match=next(iter(options))):
        FileStore(directory, **options)
    assert not directory.exists()


@pytest.mark.parametrize("root", ["", " store", 7, None, "a\0b"])
def test_a_root_must_be_a_path(root: object) -> None:
    """What is no path is refused before anything is made."""
    with pytest.raises(ValueError, match="store root must be a non-empty path string"):
        FileStore(root)

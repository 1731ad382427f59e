"""Which directories and options open a store, and what is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from lllm.errors import (
    ChannelNotFoundError,
    SSSNError,
    StoreClosedError,
    StoreFormatError,
    StoreReadOnlyError,
    StoreURLError,
)
from lllm.store import open_store
from lllm_store_sqlite import SQLiteStore
from lllm_store_sqlite.store import open_sqlite


def test_the_directory_is_complete_at_once(directory: Path) -> None:
    """The constructor creates the root, the folder of artifacts and the database."""
    with SQLiteStore(directory) as store:
        assert store.root == directory
        assert store.artifacts_dir == directory / "artifacts"
        assert store.db_path == directory / "sssn.sqlite"
        assert store.artifacts_dir.is_dir()
        assert store.db_path.is_file()


@pytest.mark.parametrize("root", ["", " ", " a", "a\n", b"a", None, 1, "a\0b"])
def test_a_root_that_is_no_path_is_refused_before_anything_is_created(
    root: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is the one that the command line shows."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^store root must be a non-empty path string$"):
        SQLiteStore(root)
    assert list(tmp_path.iterdir()) == []


def test_the_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` stands for the user's home, as in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with SQLiteStore("~/here") as store:
        assert store.root == tmp_path / "here"


@pytest.mark.parametrize(
    "options",
    [
        {"synchronous": "extra"},
        {"durability": "paper"},
        {"timeout": -1},
        {"timeout": "5"},
        {"timeout": True},
        {"synchronous": []},
    ],
)
def test_impossible_options_are_refused(directory: Path, options: dict[str, object]) -> None:
    """An option is checked before anything is created."""
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be "):
        SQLiteStore(directory, **options)
    assert not directory.exists()


@pytest.mark.parametrize(
    ("options", "durability"),
    [
        ({}, "disk"),
        ({"synchronous": "normal"}, "os"),
        ({"synchronous": "off"}, "memory"),
        ({"durability": "os"}, "os"),
        ({"durability": "disk", "synchronous": "off"}, "disk"),
    ],
)
def test_the_durability_is_reported(directory: Path, options: dict[str, str], durability: str) -> None:
    """What a write survives is said by `stats` and `capabilities`."""
    with SQLiteStore(directory, **options) as store:
        assert store.stats()["durability"] == durability
        assert store.capabilities()["durability"] == durability


def test_urls_and_paths_open_the_same_store(directory: Path) -> None:
    """A store is found by path, by absolute URL and by the plugin that serves the scheme."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
    for url in (str(directory), f"sqlite://{directory}", f"sqlite:{directory}"):
        with open_sqlite(url) as store:
            assert [channel.name for channel in store.list_channels()] == ["raw"]
        with open_store(url) as opened:
            assert isinstance(opened, SQLiteStore)
            assert [channel.name for channel in opened.list_channels()] == ["raw"]


def test_a_url_of_another_host_is_refused() -> None:
    """A database is on this machine."""
    with pytest.raises(StoreURLError, match="elsewhere"):
        open_sqlite("sqlite://elsewhere/dir")


def test_without_create_a_missing_store_reads_as_empty(directory: Path) -> None:
    """Nothing is created by reads; the first write creates the store."""
    with SQLiteStore(directory, create=False) as store:
        assert store.list_channels() == ()
        with pytest.raises(ChannelNotFoundError):
            store.query_events("raw")
        assert store.stats()["counts"]["events"] == 0
        assert store.check(deep=True).ok
        assert not directory.exists()
        store.create_channel({"name": "raw"})
        assert store.append_event({"channel": "raw"}).cursor == 1
        assert store.head("raw") == 1


def test_a_store_that_appears_later_is_found(directory: Path) -> None:
    """A reader of a missing store sees what another process then creates."""
    with SQLiteStore(directory, read_only=True) as reader:
        assert reader.list_channels() == ()
        with SQLiteStore(directory) as writer:
            writer.create_channel({"name": "raw"})
            assert [channel.name for channel in reader.list_channels()] == ["raw"]


def test_a_read_only_store_leaves_the_files_alone(directory: Path) -> None:
    """It reads everything, and refuses every write by name."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_event({"channel": "raw"})
    before = store.db_path.read_bytes()
    with SQLiteStore(directory, read_only=True) as reader:
        assert reader.head("raw") == 1
        for write in (
            lambda: reader.append_event({"channel": "raw"}),
            lambda: reader.create_channel({"name": "other"}),
            lambda: reader.put_snapshot({"name": "s"}),
        ):
            with pytest.raises(StoreReadOnlyError, match="it was opened with `read_only=True`"):
                write()
        assert reader.stats()["read_only"]
    assert store.db_path.read_bytes() == before


def test_a_newer_format_is_refused_and_kept(directory: Path) -> None:
    """A store of a later version is neither read nor changed."""
    with SQLiteStore(directory) as store:
        path = store.db_path
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for options in ({}, {"create": False}):
        with pytest.raises(
            StoreFormatError, match=r"^Unsupported store format: .*format 99 .*install a newer"
        ):
            SQLiteStore(directory, **options)
    with (
        SQLiteStore(directory, read_only=True) as reader,
        pytest.raises(StoreFormatError, match="format 99"),
    ):
        reader.list_channels()


def test_a_database_of_another_program_is_refused(directory: Path) -> None:
    """Tables that are not ours are not touched."""
    directory.mkdir()
    connection = sqlite3.connect(directory / "sssn.sqlite")
    connection.execute("CREATE TABLE events(a)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreFormatError, match="another program"):
        SQLiteStore(directory)


def test_a_file_that_is_no_database_is_refused(directory: Path) -> None:
    """Its bytes stay as they are."""
    directory.mkdir()
    (directory / "sssn.sqlite").write_bytes(b"not a database, for sure" * 100)
    with pytest.raises(StoreFormatError, match="is not a SQLite database"):
        SQLiteStore(directory)
    assert (directory / "sssn.sqlite").read_bytes().startswith(b"not a database")


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The error is one of ours and names the path."""
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(SSSNError, match=str(path)):
        SQLiteStore(path)
    with pytest.raises(SSSNError, match=str(path)):
        SQLiteStore(path / "below")


def test_a_closed_store_says_so(store: SQLiteStore) -> None:
    """Closing twice is closing once; everything else is refused."""
    store.close()
    store.close()
    for call in (store.list_channels, store.stats, lambda: store.append_event({"channel": "raw"})):
        with pytest.raises(StoreClosedError):
            call()


def test_a_clean_end_leaves_one_database_file(directory: Path) -> None:
    """The write-ahead log is folded in by the last that closes."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        assert (directory / "sssn.sqlite-wal").exists()
    assert sorted(path.name for path in directory.iterdir()) == ["artifacts", "sssn.lock", "sssn.sqlite"]


def test_strange_directory_names_work(tmp_path: Path) -> None:
    """Characters that mean something in a SQLite URI are part of the name."""
    directory = tmp_path / "a?b#c%20d 日本"
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
    with SQLiteStore(directory) as store:
        assert store.get_channel("raw").name == "raw"
    assert [path.name for path in tmp_path.iterdir()] == [directory.name]

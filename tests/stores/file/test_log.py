"""The files of the log: what they look like, and what happens when they are torn or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lllm.errors import StoreFormatError
from lllm_store_file import FileStore
from lllm_store_file.checksums import crc32c


def segments(store: FileStore) -> list[Path]:
    """Return the files of the log, oldest first."""
    return sorted((store.root / "log").iterdir())


def numbers(store: FileStore) -> list[object]:
    """Return the payloads of the channel `raw`."""
    return [event.payload for event in store.iter_events("raw")]


def test_the_directory_holds_what_is_documented(store: FileStore) -> None:
    """Marker, lock, log, state and artifacts; the log is named after its first position."""
    store.write_artifact(b"bytes")
    names = {path.name for path in store.root.iterdir()}
    assert names == {"meta.json", "lock", "log", "state", "artifacts"}
    assert json.loads((store.root / "meta.json").read_text()) == {"format": "lllm-store-file", "version": 1}
    assert [path.name for path in segments(store)] == [f"{1:020d}.seg"]


def test_a_transaction_is_one_line_with_its_checksum(store: FileStore) -> None:
    """A batch is one line of canonical JSON; the body of an event stands in it as it is."""
    before = len(segments(store)[0].read_bytes().splitlines())
    events = store.append_events([{"channel": "raw", "payload": {"b": "é", "a": 1}}, {"channel": "out"}])
    lines = segments(store)[0].read_bytes().splitlines()
    assert len(lines) == before + 1
    checksum, length, text = lines[-1].split(b" ", 2)
    assert int(checksum, 16) == crc32c(text)
    assert int(length) == len(text)
    first, second = json.loads(text)
    assert first[0] == second[0] == "event"
    assert first[1][:3] == [events[0].id, 1, "raw"]
    assert b'[{"a":1,"b":"\\u00e9"}]' in text


@pytest.mark.parametrize("torn", [1, 7, 20, 100])
def test_a_torn_last_line_is_ignored_and_cut(store: FileStore, torn: int) -> None:
    """A reader does not see it, the next writer removes it, and the cursor is used again."""
    store.append_events({"channel": "raw", "payload": number} for number in range(3))
    whole = segments(store)[0].read_bytes()
    store.append_event({"channel": "raw", "payload": "torn"})
    longer = segments(store)[0].read_bytes()
    store.close()
    segments(store)[0].write_bytes(longer[: len(whole) + torn])
    with FileStore(store.root, read_only=True) as reader:
        assert numbers(reader) == [0, 1, 2]
        assert reader.check().ok
    with FileStore(store.root) as again:
        assert numbers(again) == [0, 1, 2]
        assert again.append_event({"channel": "raw", "payload": 3}).cursor == 4
        assert segments(again)[0].read_bytes().startswith(whole)
        assert again.check(deep=True).ok
        assert numbers(again) == [0, 1, 2, 3]


def test_a_damaged_line_is_reported_and_reading_goes_on(store: FileStore) -> None:
    """The events of one flipped byte are missing, those behind it are not, and check names the place."""
    for number in range(5):
        store.append_event({"channel": "raw", "payload": f"payload-{number}"})
    store.close()
    path = segments(store)[0]
    data = path.read_bytes()
    place = data.index(b"payload-2")
    path.write_bytes(data[:place] + b"P" + data[place + 1 :])
    with FileStore(store.root) as again:
        assert numbers(again) == [f"payload-{number}" for number in (0, 1, 3, 4)]
        report = again.check()
        assert not report.ok
        assert any(path.name in problem and "are damaged" in problem for problem in report.problems)
        assert again.append_event({"channel": "raw"}).cursor == 6


def test_damage_behind_an_index_is_never_shown(directory: Path) -> None:
    """An event whose bytes changed under a checkpoint is skipped, not returned wrong."""
    with FileStore(directory, segment_bytes=1024) as store:
        store.create_channel({"name": "raw"})
        for number in range(20):
            store.append_event({"channel": "raw", "payload": f"payload-{number:02}"})
        assert len(segments(store)) > 3
    path = next(path for path in segments(store) if b"payload-05" in path.read_bytes())
    data = path.read_bytes()
    place = data.index(b"payload-05")
    path.write_bytes(data[:place] + b"P" + data[place + 1 :])
    with FileStore(directory) as again:
        expected = [f"payload-{number:02}" for number in range(20) if number != 5]
        assert [event.payload for event in again.iter_events("raw")] == expected
        assert not again.check().ok


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"format":"lllm-store-file","version":99}', "says version 99"),
        ('{"format":"other","version":1}', "is not the `meta.json` of a file store"),
        ("[]", "is not the `meta.json` of a file store"),
        ("{", "is not the `meta.json` of a file store"),
    ],
)
def test_another_format_is_refused(directory: Path, text: str, reason: str) -> None:
    """A marker of another program or version is named, and nothing is written."""
    directory.mkdir()
    (directory / "meta.json").write_text(text)
    with pytest.raises(StoreFormatError, match=f"^Unsupported store format: .*{reason}"):
        FileStore(directory)
    assert [path.name for path in directory.iterdir()] == ["meta.json"]

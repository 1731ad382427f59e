"""Artifacts as files: atomic, shared by hash, verified, and never outside of their directory."""

import os
import time
from hashlib import sha256

import pytest

from lllm.errors import ArtifactCorruptError, ArtifactNotFoundError, SSSNError
from lllm.store import ArtifactFiles
from lllm.store.backed import BackendStore
from lllm.store.memory import MemoryBackend


@pytest.fixture
def files(tmp_path):
    """Return the storage of a directory that does not exist yet."""
    return ArtifactFiles(tmp_path / "artifacts")


@pytest.fixture
def store(files):
    """Return a store whose artifacts are files."""
    backend = MemoryBackend()
    backend.blobs = files
    return BackendStore(backend)


def names(files):
    """Return the names of the files."""
    return sorted(entry.name for entry in files.directory.iterdir())


def test_content_is_named_by_its_hash(files):
    """And nothing else is left behind."""
    digest = sha256(b"abc").hexdigest()
    assert files.write([b"a", memoryview(b"bc")]) == (f"artifacts/{digest}", 3, digest)
    assert names(files) == [digest]
    with files.open(f"artifacts/{digest}") as file:
        assert file.read() == b"abc"


def test_equal_content_is_not_written_again(files):
    """The file that is there is never opened for writing; its age begins anew."""
    blob = files.write([b"abc"])
    path = files.directory / blob.sha256
    os.utime(path, (1, 1))
    inode = path.stat().st_ino
    files.write([b"abc"])
    assert path.stat().st_ino == inode
    assert path.stat().st_mtime > time.time() - 60


@pytest.mark.parametrize("damage", [b"ab", b"abd", b""])
def test_damaged_content_is_replaced(files, damage):
    """Writing it again heals it."""
    blob = files.write([b"abc"])
    (files.directory / blob.sha256).write_bytes(damage)
    files.write([b"abc"])
    assert (files.directory / blob.sha256).read_bytes() == b"abc"


def test_a_reader_keeps_its_content(files):
    """Replacing a file does not disturb who is reading it."""
    blob = files.write([b"abc"])
    with files.open(blob.path) as file:
        (files.directory / "other").write_bytes(b"xyz")
        (files.directory / "other").replace(files.directory / blob.sha256)
        files.write([b"abc"])
        assert file.read() == b"abc"


def test_a_wrong_hash_leaves_nothing(files):
    """Neither content nor a temporary file."""
    with pytest.raises(ArtifactCorruptError):
        files.write([b"abc"], sha256="0" * 64)
    assert names(files) == []


def test_an_error_of_the_source_leaves_nothing(files):
    """It reaches the caller as it is."""

    def broken():
        yield b"abc"
        raise KeyError("source")

    with pytest.raises(KeyError):
        files.write(broken())
    assert names(files) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_an_error_of_the_store(files):
    """Not an OSError."""
    files.directory.mkdir()
    files.directory.chmod(0o500)
    with pytest.raises(SSSNError, match="cannot be written"):
        files.write([b"abc"])


def test_a_file_in_the_place_of_the_directory_is_an_error_of_the_store(tmp_path):
    """Not an OSError."""
    (tmp_path / "artifacts").write_text("in the way")
    with pytest.raises(SSSNError, match="cannot be written"):
        ArtifactFiles(tmp_path / "artifacts").write([b"abc"])


@pytest.mark.parametrize(
    "path",
    ["../secret", "artifacts/../../secret", "/etc/passwd", "artifacts", "", ".", "artifacts/a\0b", "secret"],
)
def test_a_path_outside_is_refused(files, tmp_path, path):
    """Whatever a record says."""
    (tmp_path / "secret").write_text("secret")
    for call in (files.open, files.size, files.remove):
        with pytest.raises(ArtifactNotFoundError) as caught:
            call(path)
        assert str(caught.value) == "Artifact payload path is outside artifact storage."


def test_a_link_that_leads_outside_is_refused(files, tmp_path):
    """It is not followed."""
    files.directory.mkdir()
    (tmp_path / "secret").write_text("secret")
    (files.directory / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactNotFoundError):
        files.open("artifacts/link")
    assert list(files.stored()) == []


def test_missing_bytes_are_named(store, files):
    """The record is there, the bytes are not."""
    made = store.write_artifact(b"abc")
    files.remove(made.path)
    for call in (store.read_artifact, lambda name: list(store.iter_artifact(name))):
        with pytest.raises(ArtifactNotFoundError) as caught:
            call(made.id)
        assert str(caught.value) == f"Artifact payload not found: {made.id}"
    assert any("is missing" in problem for problem in store.check().problems)


@pytest.mark.parametrize("damage", [b"abd", b"ab", b"abcd", b""])
def test_wrong_bytes_are_never_returned(store, files, damage):
    """By no way of reading, and the deep check finds them."""
    made = store.write_artifact(b"abc")
    (files.directory / made.sha256).write_bytes(damage)

    def opened(name):
        with store.open_artifact(name) as file:
            return file.read()

    for call in (store.read_artifact, lambda name: list(store.iter_artifact(name)), opened):
        with pytest.raises(ArtifactCorruptError) as caught:
            call(made.id)
        assert str(caught.value) == f"Artifact payload is corrupt: {made.id}"
    assert not store.check(deep=True).ok


def test_garbage_is_old_and_unnamed(store, files):
    """Leftovers of interrupted writes are garbage too."""
    kept = store.write_artifact(b"kept")
    gone = store.write_artifact(b"gone")
    store.delete_artifact(gone.id)
    leftover = files.directory / ".writing-0123"
    leftover.write_bytes(b"12345")
    assert store.collect_garbage()["removed_files"] == 0
    for path in (files.directory / gone.sha256, leftover):
        os.utime(path, (1, 1))
    assert [line.split(":")[0] for line in store.check().problems] == [
        f"artifacts/{name}" for name in names(files) if name in {gone.sha256, leftover.name}
    ]
    assert store.collect_garbage() == {
        "removed_files": 2,
        "removed_bytes": 9,
        "paths": ["artifacts/.writing-0123", gone.path],
    }
    assert names(files) == [kept.sha256]
    assert store.check(deep=True).ok


def test_a_record_is_not_written_for_collected_bytes(store, files, monkeypatch):
    """Bytes are written again, and a stream that cannot be is an error."""
    write = files.write
    collected = []

    def collecting(chunks, *, sha256=None):
        blob = write(chunks, sha256=sha256)
        if len(collected) < 2:
            collected.append(blob)
            files.remove(blob.path)
        return blob

    monkeypatch.setattr(files, "write", collecting)
    made = store.write_artifact(b"abc")
    assert len(collected) == 2
    assert store.read_artifact(made.id) == b"abc"
    collected.clear()
    with pytest.raises(SSSNError, match="write it again"):
        store.write_artifact_stream([b"xyz"])
    assert len(store.list_artifacts()) == 1


def test_streams_hold_one_chunk(store):
    """However long the artifact is."""
    import tracemalloc

    piece = b"x" * 65536
    tracemalloc.start()
    made = store.write_artifact_stream(piece for _ in range(400))
    size = sum(len(chunk) for chunk in store.iter_artifact(made.id))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 400 * 65536
    assert peak < 8 * 1024 * 1024

"""Disks that are full, forbidden, failing or flipping bytes; programs in the way."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lllm.errors import SSSNError, StoreBusyError, StoreReadOnlyError
from lllm_store_sqlite import SQLiteStore

Child = Callable[..., "subprocess.Popen[str]"]

UNPRIVILEGED = 65534


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Return a directory that an unprivileged child can reach: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory / "store"


def as_nobody(work: Callable[[], object]) -> str:
    """Run a function in a child without privileges and return what it returned, or its error."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.getuid() == 0:
                os.setgid(UNPRIVILEGED)
                os.setuid(UNPRIVILEGED)
            answer = str(work())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer


def filled(directory: Path) -> None:
    """Make a store with one channel and one event, and close it."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_event({"channel": "raw"})


def test_a_directory_that_may_not_be_written_reads(open_directory: Path) -> None:
    """Without the right to write, `read_only` opens what the plain constructor refuses with a clear error."""
    filled(open_directory)
    for path in (open_directory, *open_directory.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    answer = as_nobody(lambda: SQLiteStore(open_directory))
    assert answer.startswith("StoreReadOnlyError: Store is read-only: "), answer
    assert as_nobody(lambda: SQLiteStore(open_directory, read_only=True).head("raw")) == "1"


def test_a_parent_that_may_not_be_written_is_named(open_directory: Path) -> None:
    """A new store in a forbidden place is a clear error, and leaves nothing behind."""
    open_directory.mkdir(mode=0o555)
    answer = as_nobody(lambda: SQLiteStore(open_directory / "new"))
    assert answer.startswith("StoreReadOnlyError: Store is read-only: "), answer
    assert str(open_directory) in answer
    assert list(open_directory.iterdir()) == []


FILL = """
import resource, sys
from lllm.errors import StoreFullError
from lllm_store_sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
acknowledged = 0
try:
    while True:
        acknowledged += len(store.append_events({"channel": "raw", "payload": "x" * 500} for _ in range(20)))
except StoreFullError as error:
    print(acknowledged, error.__cause__ is not None, store.head("raw"), error)
"""


def test_a_full_disk_loses_nothing_acknowledged(store: SQLiteStore, child: Child) -> None:
    """The batch that does not fit is refused whole, with an error that says so; the store stays usable."""
    store.close()
    output, errors = child(FILL, store.root).communicate(timeout=60)
    acknowledged, cause, head, text = output.split(maxsplit=3)
    assert cause == "True", errors
    assert text.startswith("Store has no room: ")
    # A call that raised counts as unknown, and here nothing of it was stored.
    assert int(head) == int(acknowledged) > 0
    with SQLiteStore(store.root) as again:
        assert again.head("raw") == int(acknowledged)
        assert again.append_event({"channel": "raw"}).cursor == int(acknowledged) + 1
        assert again.check(deep=True).ok


FLUSH = """
import sys
from lllm.errors import StoreReadOnlyError
from lllm_store_sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1])
acknowledged = 0
for attempt in range(40):
    try:
        store.append_event({"channel": "raw"})
        acknowledged += 1
    except StoreReadOnlyError as error:
        print("named" if "flushing" in str(error) else error)
    except Exception as error:
        print("failed", type(error).__name__)
print(acknowledged, store.stats()["read_only"], store.stats()["problem"][:19])
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_failed_flush_makes_the_store_read_only(store: SQLiteStore, child: Child, tmp_path: Path) -> None:
    """One failed flush, and no later write pretends to succeed; what was acknowledged before is there."""
    store.close()
    prefix = ("strace", "-f", "-qq", "-o", os.devnull, "-e", "inject=fdatasync:error=EIO:when=11")
    output, errors = child(FLUSH, store.root, prefix=prefix).communicate(timeout=60)
    if "ptrace" in errors:
        pytest.skip("this machine does not allow tracing")
    lines = output.splitlines()
    acknowledged, read_only, problem = lines[-1].split(maxsplit=2)
    assert (read_only, problem) == ("True", "Store is read-only:"), output
    assert 0 < int(acknowledged) < 40
    assert lines[1:-1] == ["named"] * (39 - int(acknowledged))
    with SQLiteStore(store.root) as again:
        assert int(acknowledged) <= again.head("raw") <= int(acknowledged) + 1
        assert again.check(deep=True).ok


class FailingConnection:
    """A connection whose commits fail to flush."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: object) -> object:
        if statement == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return self._connection.execute(statement, *values)


def test_reads_go_on_after_a_failed_flush(store: SQLiteStore) -> None:
    """Only writes are refused, each with the reason."""
    store.append_event({"channel": "raw"})
    writer = store._backend._access.committer._writer
    writer.connection = FailingConnection(writer.connection)
    writer.execute = writer.connection.execute
    for _ in range(2):
        with pytest.raises(SSSNError):
            store.append_event({"channel": "raw"})
    with pytest.raises(StoreReadOnlyError, match=r"flushing .* failed"):
        store.append_events([{"channel": "raw"}])
    assert store.head("raw") == 1
    assert "flushing" in store.stats()["problem"]


def test_another_program_in_a_transaction_is_waited_for(directory: Path) -> None:
    """A program that does not know our lock is waited for too, up to the timeout."""
    with SQLiteStore(directory, timeout=0.05) as store:
        store.create_channel({"name": "raw"})
        stranger = sqlite3.connect(store.db_path, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match=r"^Store is busy: ") as caught:
            store.append_event({"channel": "raw"})
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        stranger.execute("ROLLBACK")
        stranger.close()
        assert store.append_event({"channel": "raw"}).cursor == 1


def flipped(path: Path, needle: bytes, replacement: bytes) -> None:
    """Change bytes of a file, wherever they stand."""
    data = path.read_bytes()
    assert needle in data
    path.write_bytes(data.replace(needle, replacement))


@pytest.mark.parametrize("replacement", [b"Secret", b"secre\xff"])
@pytest.mark.parametrize("count", [1, 200])
def test_a_changed_byte_costs_one_event_and_no_more(directory: Path, replacement: bytes, count: int) -> None:
    """A damaged event is skipped, never returned with other content; `check` tells."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_event({"channel": "raw", "id": "damaged", "payload": "secret"})
        store.append_events({"channel": "raw", "payload": number} for number in range(count))
    flipped(directory / "sssn.sqlite", b'["secret"]', b'["' + replacement + b'"]')
    with SQLiteStore(directory) as store:
        assert [event.payload for event in store.query_events("raw", limit=1000)] == list(range(count))
        with pytest.raises(SSSNError, match="damaged"):
            store.get_event("damaged")
        assert not store.check().ok
        assert store.append_event({"channel": "raw"}).cursor == count + 2


def test_a_changed_kind_is_noticed(directory: Path) -> None:
    """The seal of an event covers more than its payload."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_event({"channel": "raw", "kind": "original"})
    flipped(directory / "sssn.sqlite", b"original", b"0riginal")
    with SQLiteStore(directory) as store:
        assert store.query_events("raw") == ()
        assert not store.check().ok


def test_a_damaged_page_is_a_named_error(directory: Path) -> None:
    """A file that SQLite cannot read is reported by `check` and by reads, as one of our errors."""
    with SQLiteStore(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_events({"channel": "raw", "payload": "x" * 200} for _ in range(2000))
    data = bytearray((directory / "sssn.sqlite").read_bytes())
    for page in range(40, len(data) // 4096):
        data[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    (directory / "sssn.sqlite").write_bytes(data)
    with SQLiteStore(directory) as store:
        with pytest.raises(SSSNError, match="damaged"):
            store.query_events("raw", limit=10_000)
        assert store._backend.check(deep=True)

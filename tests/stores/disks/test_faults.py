"""Disks that are full, forbidden or failing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lllm.store import BackendStore

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


def filled(disk: type[BackendStore], directory: Path) -> None:
    """Make a store with one channel and one event, and close it."""
    with disk(directory) as store:
        store.create_channel({"name": "raw"})
        store.append_event({"channel": "raw"})


def test_a_directory_that_may_not_be_written_reads(disk: type[BackendStore], open_directory: Path) -> None:
    """Without the right to write, `read_only` opens what the plain constructor refuses with a clear error."""
    filled(disk, open_directory)
    for path in (open_directory, *open_directory.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    answer = as_nobody(lambda: disk(open_directory))
    assert answer.startswith("StoreReadOnlyError: Store is read-only: "), answer
    assert as_nobody(lambda: disk(open_directory, read_only=True).head("raw")) == "1"


def test_a_parent_that_may_not_be_written_is_named(disk: type[BackendStore], open_directory: Path) -> None:
    """A new store in a forbidden place is a clear error, and leaves nothing behind."""
    open_directory.mkdir(mode=0o555)
    answer = as_nobody(lambda: disk(open_directory / "new"))
    assert answer.startswith("StoreReadOnlyError: Store is read-only: "), answer
    assert str(open_directory) in answer
    assert list(open_directory.iterdir()) == []


FILL = """
import resource, sys
from lllm.errors import StoreFullError
store = Store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
acknowledged = 0
try:
    while True:
        acknowledged += len(store.append_events({"channel": "raw", "payload": "x" * 500} for _ in range(20)))
except StoreFullError as error:
    print(acknowledged, error.__cause__ is not None, store.head("raw"), error)
"""


def test_a_full_disk_loses_nothing_acknowledged(store: BackendStore, imported: str, child: Child) -> None:
    """The batch that does not fit is refused whole, with an error that says so; the store stays usable."""
    store.close()
    output, errors = child(imported + FILL, store.root).communicate(timeout=60)
    acknowledged, cause, head, text = output.split(maxsplit=3)
    assert cause == "True", errors
    assert text.startswith("Store has no room: ")
    # A call that raised counts as unknown, and here nothing of it was stored.
    assert int(head) == int(acknowledged) > 0
    with type(store)(store.root) as again:
        assert again.head("raw") == int(acknowledged)
        assert again.append_event({"channel": "raw"}).cursor == int(acknowledged) + 1
        assert again.check(deep=True).ok


FLUSH = """
import sys
from lllm.errors import StoreReadOnlyError
store = Store(sys.argv[1])
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
def test_a_failed_flush_makes_the_store_read_only(
    store: BackendStore, imported: str, child: Child, tmp_path: Path
) -> None:
    """One failed flush, and no later write pretends to succeed; what was acknowledged before is there."""
    store.close()
    prefix = ("strace", "-f", "-qq", "-o", os.devnull, "-e", "inject=fdatasync:error=EIO:when=11")
    output, errors = child(imported + FLUSH, store.root, prefix=prefix).communicate(timeout=60)
    if "ptrace" in errors:
        pytest.skip("this machine does not allow tracing")
    lines = output.splitlines()
    acknowledged, read_only, problem = lines[-1].split(maxsplit=2)
    assert (read_only, problem) == ("True", "Store is read-only:"), output
    assert 0 < int(acknowledged) < 40
    assert lines[1:-1] == ["named"] * (39 - int(acknowledged))
    with type(store)(store.root) as again:
        assert int(acknowledged) <= again.head("raw") <= int(acknowledged) + 1
        assert again.check(deep=True).ok

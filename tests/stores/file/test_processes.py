"""Several processes on one log: its segments, and the lock that one of them holds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lllm.errors import StoreBusyError
from lllm.store.process_lock import ProcessLock
from lllm_store_file import FileStore

APPEND = """
import sys
from lllm_store_file import FileStore
store = FileStore(sys.argv[1], segment_bytes=4096)
for number in range(int(sys.argv[2])):
    print(store.append_event({"channel": "raw", "payload": number}).cursor, flush=True)
"""


def test_processes_share_a_log_of_many_segments(
    directory: Path, child: Callable[..., subprocess.Popen[str]]
) -> None:
    """While two processes begin segments and write checkpoints in turn, nothing is lost or doubled."""
    with FileStore(directory, segment_bytes=4096) as store:
        store.create_channel({"name": "raw"})
        children = [child(APPEND, directory, 60) for _ in range(2)]
        outputs = [process.communicate(timeout=60) for process in children]
        cursors = [int(line) for output, _ in outputs for line in output.split()]
        assert sorted(cursors) == list(range(1, 121)), outputs
        assert [event.cursor for event in store.iter_events("raw")] == list(range(1, 121))
        assert len(list((directory / "log").iterdir())) > 3
        assert store.check(deep=True).ok


def test_the_lock_of_a_busy_process_is_waited_for(directory: Path) -> None:
    """A writer gives up after the timeout with an error that says so, and goes on once it can."""
    with FileStore(directory, timeout=0.05) as store:
        store.create_channel({"name": "raw"})
        with ProcessLock(directory / "lock", 1.0) as lock:
            started = time.monotonic()
            with pytest.raises(StoreBusyError, match=r"^Store is busy: .*another process"):
                store.append_event({"channel": "raw"})
            assert 0.05 <= time.monotonic() - started < 1.0
        assert store.append_event({"channel": "raw"}).cursor == 1
        lock.close()

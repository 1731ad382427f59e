"""A lock between processes, for backends that keep their data in files."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from lllm.errors import StoreBusyError

__all__ = ["ProcessLock"]

_FIRST_PAUSE = 0.00005
_LONGEST_PAUSE = 0.002


class ProcessLock:
    """An advisory lock (`flock`) on a file of its own; the system gives it back when its holder dies.

    One object is used by one thread at a time.

    Args:
        path: File to lock; it is created when the lock is first taken.
        timeout: How long to wait for it, in seconds.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._descriptor: int | None = None

    def acquire(self, *, shared: bool = False) -> None:
        """Take the lock.

        Args:
            shared: Whether others may hold it too, as long as all of them share it.

        Raises:
            StoreBusyError: Another process held it for longer than the timeout.
            OSError: The file could not be opened.
        """
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        try:
            fcntl.flock(descriptor, mode)
        except BlockingIOError:
            self._wait(descriptor, mode)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _wait(self, descriptor: int, mode: int) -> None:
        deadline = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE
        while True:
            time.sleep(pause)
            try:
                fcntl.flock(descriptor, mode)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StoreBusyError(
                        f"Store is busy: another process has held `{self._path}` "
                        f"for longer than {self._timeout:g} s; try again or raise `timeout`."
                    ) from None
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    def release(self) -> None:
        """Give the lock back; the file stays open for the next time."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, which gives the lock back too."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

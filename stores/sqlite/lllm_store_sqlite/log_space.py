"""Written space ahead of the write-ahead log, because overwriting flushes in half the time of growing.

A flush of a file that has grown also flushes its new length and where its blocks are. SQLite recycles its
log once it was folded in, so only the first lap grows; that one is spared here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["LogSpace"]

_ENOUGH = 8 * 1024 * 1024
_STEP = 1024 * 1024
_COMMITS_BETWEEN = 8


class LogSpace:
    """Extends the log of one database with zeros, which SQLite takes for the end of the log.

    Args:
        database: The database file.
    """

    def __init__(self, database: Path) -> None:
        self._log = database.with_name(f"{database.name}-wal")
        self._end = 0
        self._commits = 0

    def keep_ahead(self) -> None:
        """Extend the log when it has used up its space; call it inside a transaction that may write.

        Only then does nobody else, other programs included, write to the log.
        """
        self._commits += 1
        if self._commits % _COMMITS_BETWEEN or self._end >= _ENOUGH:
            return
        # No room, or no right: the log then grows as it always did.
        with suppress(OSError):
            self._extend()

    def _extend(self) -> None:
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            if size > self._end:
                self._end = size + os.pwrite(descriptor, bytes(_STEP), size)
        finally:
            os.close(descriptor)

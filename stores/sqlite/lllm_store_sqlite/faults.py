"""What SQLite reports, said as the errors of a store.

No `sqlite3.Error` leaves the store: callers see one of the classes in `lllm.errors`, with the original
chained as its cause.
"""

from __future__ import annotations

import errno
import sqlite3

from lllm.errors import (
    SSSNError,
    StoreBusyError,
    StoreDamagedError,
    StoreFormatError,
    StoreFullError,
    StoreReadOnlyError,
)

__all__ = ["failed_flush", "store_error", "store_error_of_system"]

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_FLUSH = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_DIR_CLOSE}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


def _code(error: sqlite3.Error) -> int:
    # Errors that the sqlite3 module itself raises carry no code of SQLite.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)


def failed_flush(error: sqlite3.Error) -> bool:
    """Tell whether the disk failed to flush what was written to it.

    Args:
        error: What SQLite raised.
    """
    return _code(error) in _FLUSH


def store_error(error: sqlite3.Error, path: object) -> SSSNError:
    """Return the error of a store that says what SQLite reported.

    Args:
        error: What SQLite raised; chain it as the cause.
        path: The database, for the text.
    """
    code = _code(error)
    primary = code & 0xFF
    if primary in _BUSY:
        return StoreBusyError(f"Store is busy: {error} (`{path}`); another program holds it, try again.")
    failure = _damage(error, code, path)
    if failure is not None:
        return failure
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_WRITE:
        return StoreFullError(f"Store has no room: {error} (`{path}`); free some space and repeat the call.")
    if primary in _READ_ONLY:
        return StoreReadOnlyError(f"Store is read-only: {error} (`{path}`).")
    if primary == sqlite3.SQLITE_TOOBIG:
        return SSSNError(f"Store cannot keep a value of that size: {error}.")
    return SSSNError(f"Store failed: {error} (`{path}`).")


def _damage(error: sqlite3.Error, code: int, path: object) -> SSSNError | None:
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_NOTADB:
        return StoreFormatError(f"Unsupported store format: `{path}` is not a SQLite database.")
    if primary in _DAMAGED or "decode to UTF-8" in str(error):
        return StoreDamagedError(
            f"Store is damaged: {error} (`{path}`); restore a backup, or export what reads."
        )
    return None


def store_error_of_system(error: OSError, path: object) -> SSSNError:
    """Return the error of a store that says what the operating system reported.

    Args:
        error: What was raised; chain it as the cause.
        path: The file or directory, for the text.
    """
    if error.errno in _NO_ROOM:
        return StoreFullError(f"Store has no room: {error}; free some space and repeat the call.")
    if error.errno in _FORBIDDEN:
        return StoreReadOnlyError(f"Store is read-only: {error}.")
    return SSSNError(f"Store failed: {error} (`{path}`).")

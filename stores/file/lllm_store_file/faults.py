"""What the operating system reports, said as the errors of a store."""

from __future__ import annotations

import errno

from lllm.errors import SSSNError, StoreFullError, StoreReadOnlyError

__all__ = ["store_error"]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


def store_error(error: OSError) -> SSSNError:
    """Return the error of a store that says what the operating system reported, with that as its cause.

    Args:
        error: What was raised.
    """
    if error.errno in _NO_ROOM:
        said: SSSNError = StoreFullError(f"Store has no room: {error}; free some space and repeat the call.")
    elif error.errno in _FORBIDDEN:
        said = StoreReadOnlyError(f"Store is read-only: {error}.")
    else:
        said = SSSNError(f"Store failed: {error}.")
    said.__cause__ = error
    return said

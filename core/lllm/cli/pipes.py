"""What to do when nobody reads stdout any more, as in `lllm ... | head -1`."""

from __future__ import annotations

import os
import sys

__all__ = ["reader_is_gone"]


def reader_is_gone(error: BaseException) -> bool:
    """Tell whether an error means that the reader of stdout went away, and then let nothing else fail for it.

    A tactic may lose a pipe of its own; that is an error like any other.

    Args:
        error: What ended the command.
    """
    causes = set()
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.add(cause)
        cause = cause.__cause__ or cause.__context__
    if not any(isinstance(cause, BrokenPipeError) for cause in causes) or not _stdout_is_broken():
        return False
    # Python flushes stdout once more at the end of the process.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _stdout_is_broken() -> bool:
    try:
        import select

        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):  # no poll on this system, or stdout is no file
        return False

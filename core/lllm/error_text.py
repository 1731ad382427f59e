"""Texts of exceptions for records: they never raise, and they stay short however deep the calls were."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traceback import TracebackException

__all__ = ["error_text", "traceback_text", "typed_error_text"]

_FRAMES = 64
"""How many of the innermost frames a traceback shows: every call of a deep nest writes one down."""


def error_text(error: BaseException) -> str:
    """Return what an exception says, also when asking it fails.

    Args:
        error: The exception.
    """
    try:
        return str(error)
    except Exception as failure:
        return f"<no text: __str__ raised {type(failure).__name__}>"


def typed_error_text(error: object) -> str:
    """Return an exception as `Type: message`, and everything else as it prints; what looks like a secret is masked.

    Args:
        error: The exception, or its text.
    """
    from lllm.secrets import mask_secrets

    text = f"{type(error).__name__}: {error_text(error)}" if isinstance(error, BaseException) else str(error)
    return mask_secrets(text)


def traceback_text(error: BaseException) -> str:
    """Return the formatted traceback of an exception and its causes, the innermost 64 frames of each.

    What looks like a secret is masked: records are kept and shown, and somebody else's text may repeat a key.

    Args:
        error: The exception.
    """
    # Only failures pay for importing it.
    from traceback import TracebackException

    from lllm.secrets import mask_secrets

    summary = TracebackException.from_exception(error, limit=0, compact=True)
    # Every call of an endless recursion fails anew on its way out; to tell all that once for each call takes minutes.
    chain = not isinstance(error, RecursionError)
    _fill(summary, error, chain=chain)
    return mask_secrets("".join(summary.format(chain=chain)))


def _fill(summary: TracebackException | None, error: BaseException | None, *, chain: bool = True) -> None:
    """Give a summary and its causes their frames, without columns: to read and place those takes most time."""
    from traceback import StackSummary, walk_tb

    while summary is not None and error is not None:
        frames = list(walk_tb(error.__traceback__))[-_FRAMES:]
        summary.stack = StackSummary.extract(frames)
        if isinstance(error, BaseExceptionGroup):
            for inner, each in zip(summary.exceptions or (), error.exceptions, strict=False):
                _fill(inner, each)
        if not chain:
            return
        if summary.__cause__ is not None:
            summary, error = summary.__cause__, error.__cause__
        else:
            summary, error = summary.__context__, error.__context__

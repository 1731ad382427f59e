"""Waiting in a thread for what another caller does, and no longer than one's own deadline."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TypeVar

from lllm import DeadlineExceeded
from lllm.context import CallContext

__all__ = ["wait_for"]

T = TypeVar("T")


def wait_for(future: Future[T], context: CallContext) -> T:
    """Return the result of a future that somebody else completes.

    Args:
        future: What to wait for; it is not cancelled here.
        context: The context of the call that waits.

    Raises:
        DeadlineExceeded: The deadline passed first.
        Exception: What the future holds.
    """
    remaining = context.remaining
    try:
        return future.result(None if remaining is None else max(0.0, remaining))
    except TimeoutError as error:
        if future.done():
            raise
        raise DeadlineExceeded("The deadline of the call has passed.") from error

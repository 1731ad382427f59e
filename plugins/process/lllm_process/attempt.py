"""One attempt at an event: run the tactic, and come back whatever it does.

A tactic may raise anything. What would end the program, or look like the end of the task that runs it, is the failure
of one event and nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lllm import CallContext, DeadlineExceeded, Tactic, TacticError
from lllm.error_text import error_text
from lllm.secrets import mask_secrets

__all__ = ["UNHEEDED", "as_failure", "attempt", "failure_text", "is_from_outside"]

UNHEEDED = 5.0
"""Seconds that work may go on after its time was over, before it is left behind."""

_LONGEST_TEXT = 2000
"""Characters of an error that are kept."""


async def attempt(
    tactic: Tactic[Any, Any],
    payload: Any,
    context: CallContext,
    timeout: float | None,
    leave_behind: Callable[[asyncio.Task[Any]], None],
) -> Any:
    """Return what a tactic makes of an event.

    Args:
        tactic: The tactic.
        payload: Payload of the event.
        context: The context of the call.
        timeout: Seconds it may take, or None.
        leave_behind: Told a task that was cancelled and has not ended.

    Raises:
        BaseException: Whatever the tactic raises.
        DeadlineExceeded: The time was over.
    """
    if timeout is None:
        return await tactic.arun(payload, context=context)
    task = asyncio.create_task(_outcome(tactic, payload, context.limit(timeout)))
    try:
        await asyncio.wait({task}, timeout=timeout + UNHEEDED)
    finally:
        if not task.done():
            task.cancel()
            leave_behind(task)
    if not task.done():
        raise DeadlineExceeded(f"The tactic went on after its {timeout:g} seconds were over.")
    outcome = task.result()
    if isinstance(outcome, _Raised):
        raise outcome.error
    return outcome


class _Raised:
    """What a tactic raised, as opposed to what it returned."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


async def _outcome(tactic: Tactic[Any, Any], payload: Any, context: CallContext) -> Any:
    """Return the result or what was raised: a task that is left with an exit would end the event loop."""
    try:
        return await tactic.arun(payload, context=context)
    except BaseException as error:
        if is_from_outside(error):
            raise
        return _Raised(error)


def is_from_outside(error: BaseException) -> bool:
    """Tell whether an exception ends the running task, as opposed to what its tactic raises by itself.

    Args:
        error: What was raised in the task.
    """
    if isinstance(error, Exception):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    # Without a task the coroutine is being closed.
    if task is None or isinstance(error, KeyboardInterrupt):
        return True
    return isinstance(error, asyncio.CancelledError) and task.cancelling() > 0


def as_failure(error: BaseException) -> Exception:
    """Return an exception for what a tactic raised: itself, or a `TacticError` for what is none.

    Args:
        error: What was raised.
    """
    if isinstance(error, Exception):
        return error
    failure = TacticError(f"the tactic raised {failure_text(error)}")
    failure.__cause__ = error
    return failure


def failure_text(error: BaseException) -> str:
    """Return what is recorded of a failure: type and text without keys, cut when it is long.

    Args:
        error: What was raised.
    """
    text = mask_secrets(f"{type(error).__name__}: {error_text(error)}")
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."

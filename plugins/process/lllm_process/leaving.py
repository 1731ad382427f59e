"""Ending the program although some of its work does not end.

Python waits for the threads of its pools before it ends, and an event loop for its tasks. A tactic that hangs, or
that does not heed its cancellation, would keep the program there for ever; its events are given back long before.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from typing import NoReturn

__all__ = ["end_tasks", "leave_at_exit"]

logger = logging.getLogger("lllm.process")

_SECONDS = 5.0
"""How long work that was given up may hold the program."""


async def end_tasks(code: int) -> None:
    """Cancel all other tasks of the loop and leave the program when they do not end.

    Args:
        code: The exit code.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        _, others = await asyncio.wait(others, timeout=_SECONDS)
    if others:
        _leave(code, "coroutines do not heed their cancellation")


def leave_at_exit(code: int) -> None:
    """Leave the program when threads still hold it some seconds after Python has begun to end it.

    Args:
        code: The exit code.
    """
    # Handlers of `atexit` run after the threads were waited for, which is too late.
    register = getattr(threading, "_register_atexit", None)
    if register is None:
        return
    ending = threading.Event()

    def watch() -> None:
        ending.wait()
        time.sleep(_SECONDS)
        _leave(code, "synchronous calls are still at work and do not end")

    threading.Thread(target=watch, name="lllm-leaving", daemon=True).start()
    register(ending.set)


def _leave(code: int, why: str) -> NoReturn:
    logger.warning("%s; leaving without them", why)
    sys.stderr.flush()
    os._exit(code)

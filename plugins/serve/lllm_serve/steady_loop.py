"""The event loop of a served process, which a tactic cannot stop.

When a task raises `SystemExit`, asyncio gives it to whoever awaits the task, and then stops the loop as well. A tool
that calls `sys.exit` inside of `asyncio.gather` would so end the service for everybody. Here its own call fails.
"""

from __future__ import annotations

import asyncio
from typing import Any

from lllm_serve.access_log import logger

__all__ = ["new_loop"]


class _Steady:
    """Goes on for as long as the task that was to be run."""

    def run_until_complete(self, future: Any) -> Any:
        """Run until the future has a result, and return it; only its own exit ends the loop before.

        Args:
            future: A future or a coroutine.
        """
        loop: Any = self
        main = asyncio.ensure_future(future, loop=loop)
        while True:
            try:
                return super().run_until_complete(main)  # type: ignore[misc]
            except (SystemExit, KeyboardInterrupt) as error:
                if main.done():
                    raise
                logger.error("a task tried to end the service: %s %s", type(error).__name__, error)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop for a server: uvloop's where that is installed."""
    base: Any
    try:
        from uvloop import Loop as base  # noqa: N813
    except ImportError:
        with asyncio.Runner() as runner:
            base = type(runner.get_loop())
    loop: asyncio.AbstractEventLoop = type("SteadyLoop", (_Steady, base), {})()
    return loop

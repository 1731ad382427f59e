"""Who listens to what the agents of a call write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from lllm_runtime_agents.invoker import BaseStreamHandler

if TYPE_CHECKING:
    from lllm.calls import Call

__all__ = ["Listener", "heard_by", "listen"]

Listener = Callable[[str, str, str], None]
"""Told a piece of text, the name of the agent that wrote it, and the name of its tactic."""

_listeners: dict[Call, Listener] = {}
_lock = Lock()


@contextmanager
def listen(call: Call, listener: Listener) -> Iterator[None]:
    """Let somebody hear what the agents of a call, and of the calls below it, write while the block runs.

    Args:
        call: The call.
        listener: Told every piece, in the thread that brings it.
    """
    with _lock:
        _listeners[call] = listener
    try:
        yield
    finally:
        with _lock:
            del _listeners[call]


def heard_by(call: Call | None, agent: str, handler: BaseStreamHandler | None) -> BaseStreamHandler | None:
    """Return the handler of an agent's replies, with the listeners of all calls above it.

    Args:
        call: The tactic call around the agent.
        agent: Name of the agent.
        handler: The agent's own handler.
    """
    above = call
    # Nobody listens most of the time.
    while _listeners and above is not None:
        listener = _listeners.get(above)
        if listener is not None and call is not None:
            handler = _Heard(listener, agent, call.tactic_name, handler)
        above = above.parent
    return handler


class _Heard(BaseStreamHandler):
    """Passes pieces on to a listener and to the agent's own handler."""

    def __init__(self, listener: Listener, agent: str, tactic: str, inner: BaseStreamHandler | None) -> None:
        self._listener = listener
        self._names = (agent, tactic)
        self._inner = inner

    def handle_chunk(self, chunk_content: str, chunk_response: Any) -> None:
        """Pass a piece on."""
        if self._inner is not None:
            self._inner.handle_chunk(chunk_content, chunk_response)
        if chunk_content:
            self._listener(chunk_content, *self._names)

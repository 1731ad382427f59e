"""Observers: callbacks around agent calls, tools and tactics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from lllm.hookspecs import hookimpl
from lllm.plugins import manager

if TYPE_CHECKING:
    from lllm.calls import Call
    from lllm.session import AgentCallSession, TacticCallSession
    from lllm_runtime_agents.function_call import FunctionCall

__all__ = ["Observer", "observe", "tell"]

logger = logging.getLogger("lllm.agents")


class Observer:
    """Sees what agents do; override what is of interest.

    The callbacks run in the thread of the call. What they raise is logged and changes nothing.
    """

    def on_agent_call(self, agent: str, session: AgentCallSession) -> None:
        """An agent has answered, or failed to.

        Args:
            agent: Name of the agent.
            session: What it did.
        """

    def on_tool(self, agent: str, call: FunctionCall) -> None:
        """A tool has run.

        Args:
            agent: Name of the agent.
            call: The call with its result or error.
        """

    def on_tactic(self, session: TacticCallSession) -> None:
        """The call of a tactic, of whatever runtime, has ended.

        Args:
            session: What it did.
        """


class _TacticRelay:
    """Passes the ends of tactic calls on; registered with the plugin manager only while somebody observes."""

    @staticmethod
    @hookimpl
    def lllm_call_finished(call: Call) -> None:
        tell("on_tactic", call.session)


_RELAY_NAME = "agents-observers"
_observers: tuple[Observer, ...] = ()
_lock = Lock()


@contextmanager
def observe(observer: Observer) -> Iterator[Observer]:
    """Let an observer see every agent call, tool and tactic of the process while the block runs.

    Args:
        observer: The observer.
    """
    global _observers  # noqa: PLW0603
    host = manager()
    with _lock:
        if not _observers:
            host.register(_TacticRelay, name=_RELAY_NAME)
        _observers = (*_observers, observer)
    try:
        yield observer
    finally:
        with _lock:
            _observers = tuple(each for each in _observers if each is not observer)
            if not _observers:
                host.unregister(_RELAY_NAME)


def tell(event: str, *args: Any) -> None:
    """Call a callback of every observer.

    Args:
        event: Name of the callback.
        *args: Its arguments.
    """
    for observer in _observers:
        try:
            getattr(observer, event)(*args)
        except Exception:
            logger.exception("observer %r failed in %s", observer, event)

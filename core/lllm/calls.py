"""The tree of running calls: one light node for each call, found through a context variable.

A node is all that a plain call costs. The session that people read (`lllm.session.TacticCallSession`) is made
from it when somebody asks: a caller, a child, a recorded use of a model, an observer or a failure.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from threading import RLock
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm.context import CallContext
    from lllm.plugins import PluginManager
    from lllm.session import InvokeCost, TacticCallSession
    from lllm.tactic import Tactic

__all__ = ["Call", "active_call", "current_call", "root_calls"]

# Guards the hand-over from nodes to sessions; a child may begin in one thread while another asks for the session.
_tree = RLock()


def _renew_lock() -> None:
    """In a forked child nobody releases what another thread of the parent held."""
    global _tree  # noqa: PLW0603
    _tree = RLock()


os.register_at_fork(after_in_child=_renew_lock)

active_call: ContextVar[Call | None] = ContextVar("lllm_active_call", default=None)

root_calls: ContextVar[list[Call] | None] = ContextVar("lllm_root_calls", default=None)
"""A list that every outermost call is added to as it begins; whoever serves calls sets it to learn of them."""


def current_call() -> Call | None:
    """Return the innermost call that is running in this thread or task, or None outside of one."""
    call = active_call.get()
    if call is not None:
        call.keep()
    return call


class Call:
    """One call of a tactic, while it runs and afterwards.

    Runtimes receive it in `bind`, observers in `lllm_call_started` and `lllm_call_finished`.

    Attributes:
        tactic: The tactic that was called, never the copy that is bound to this call.
        context: The caller's `CallContext`.
        parent: The call that this one runs inside of, or None for a root.
        task: The validated input.
        state: `"running"`, then `"success"` or `"failure"`.
        output: The validated output after a success.
        error: The exception after a failure.
        started_at: Unix time in seconds at which the call began.
        bounded: Whether the context has a deadline.
        observer: The plugin manager when some plugin observes calls, else None.
    """

    # Defaults stand on the class and not in slots: every call makes one of these, and most never change them.
    task: Any = None
    state: str = "running"
    output: Any = None
    error: BaseException | None = None
    bounded: bool = False
    observer: PluginManager | None = None
    _kept: bool = False
    _waiting: tuple[Call, ...] = ()
    _duration: float | None = None
    _session: TacticCallSession | None = None

    def __init__(self, tactic: Tactic[Any, Any], context: CallContext, parent: Call | None = None) -> None:
        self.tactic = tactic
        self.context = context
        self.parent = parent
        self.started_at = time()
        self._started = perf_counter()
        if parent is not None:
            with _tree:
                if parent._session is None:
                    parent._waiting = (*parent._waiting, self)
                else:
                    self._join(parent._session)
        elif (begun := root_calls.get()) is not None:
            self._kept = True
            begun.append(self)

    def __repr__(self) -> str:
        return f"<Call of {self.tactic_name!r}: {self.state}>"

    @property
    def tactic_name(self) -> str:
        """Name of the tactic that was called."""
        return self.tactic.tactic_name

    @property
    def tactic_ref(self) -> str | None:
        """The `psi://` ref the call came through, else the one the tactic carries, else None."""
        return self.context.tactic_ref or self.tactic.package_ref

    @property
    def request_id(self) -> str:
        """Id of the request, from the context."""
        return self.context.request_id

    @property
    def trace_id(self) -> str | None:
        """Id of the trace, from the context."""
        return self.context.trace_id

    @property
    def cancelled(self) -> bool:
        """Whether the caller has gone: work that can stop should stop."""
        return self.context.cancelled

    @property
    def deadline(self) -> float | None:
        """Monotonic time in seconds after which the caller no longer waits, or None."""
        return self.context.deadline

    @property
    def duration_ms(self) -> float:
        """Milliseconds from the start to the end, or until now while the call runs."""
        seconds = perf_counter() - self._started if self._duration is None else self._duration
        return seconds * 1000.0

    @property
    def has_session(self) -> bool:
        """Whether somebody has asked for the session yet."""
        return self._session is not None

    @property
    def session(self) -> TacticCallSession:
        """The session of this call; made on first access, with those of the calls above and below it."""
        if self._session is None:
            with _tree:
                # From the top down: the session above makes this one as it is made itself.
                if self.parent is not None:
                    _ = self.parent.session
                if self._session is None:
                    self._make_session()
        session = self._session
        assert session is not None
        return session

    def _make_session(self) -> TacticCallSession:
        from lllm.session import TacticCallSession

        session = self._session = TacticCallSession.of_call(self)
        for child in self._waiting:
            child._join(session)
        self._waiting = ()
        return session

    def _join(self, above: TacticCallSession) -> None:
        """Record this call in the session of its parent."""
        assert self.parent is not None
        name = _slot_of(self.parent.tactic, self.tactic) or self.tactic_name
        above.record_sub_tactic_call(name, self._session or self._make_session())

    @property
    def usage(self) -> InvokeCost:
        """Tokens and dollars of this call and of everything below it, so far."""
        return self.session.total_cost

    def keep(self) -> None:
        """Note that somebody holds this call and may ask for its session when the outermost call has ended."""
        call: Call | None = self
        while call is not None and not call._kept:
            call._kept = True
            call = call.parent

    def forget(self) -> None:
        """Let go of the calls below an outermost call that nobody holds.

        They refer to the one above them, and such circles would all be left to the garbage collector.
        """
        if self.parent is None and not self._kept:
            self._drop()

    def _drop(self) -> None:
        waiting, self._waiting = self._waiting, ()
        for child in waiting:
            if child._waiting:
                child._drop()

    def succeed(self, output: Any) -> None:
        """End the call with a result.

        Args:
            output: The validated output.
        """
        self._duration = perf_counter() - self._started
        self.state = "success"
        self.output = output
        if self._session is not None:
            self._session.task = self.task
            self._session.success(output, duration_ms=self._duration * 1000.0)

    def fail(self, error: BaseException) -> None:
        """End the call with an exception; an exception that can carry attributes carries the session.

        Args:
            error: What left the tactic, a cancellation included.
        """
        self._duration = perf_counter() - self._started
        self.state = "failure"
        self.error = error
        self.session.task = self.task
        self.session.failure(error, duration_ms=self._duration * 1000.0)
        # The outermost call is the last to write, so a caller reads the session of the call it made.
        try:
            error.session = self.session  # type: ignore[attr-defined]
        except (AttributeError, TypeError):
            return


def _slot_of(owner: Tactic[Any, Any], tactic: Tactic[Any, Any]) -> str | None:
    """Return the attribute of the calling tactic that holds the called one, or None."""
    return next((name for name, part in owner.sub_tactics.items() if part is tactic), None)

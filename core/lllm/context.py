"""`CallContext`: the request, trace and caller fields that travel with a call."""

from __future__ import annotations

from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from lllm.errors import DeadlineExceeded
from lllm.fields import Metadata, ServiceRefText, TacticRefText, Tags, Text, TokenText
from lllm.ids import new_id

__all__ = ["CallContext", "check_deadline", "fresh_context"]

_set = object.__setattr__


class _Fate:
    """What a context and those derived from it share: a deadline and whether the caller has gone."""

    __slots__ = ("cancelled", "deadline", "parent")

    def __init__(self, deadline: float | None = None, parent: _Fate | None = None) -> None:
        self.deadline = deadline
        self.cancelled = False
        self.parent = parent

    def is_cancelled(self) -> bool:
        """Walk up to the first caller that has gone."""
        fate: _Fate | None = self
        while fate is not None:
            if fate.cancelled:
                return True
            fate = fate.parent
        return False


class CallContext(BaseModel):
    """Who calls, under which ids, and whatever else travels with the call; unknown fields are kept.

    Beside the fields a context carries a deadline and a cancellation mark. They stay inside the process: they
    are no fields, and no dump shows them.

    Attributes:
        request_id: Unique id of this request.
        caller: Who calls.
        trace_id: Id shared by all calls that belong together.
        span_id: Id of the caller's span.
        package_ref: Tactic ref of the package that calls.
        service_ref: Ref or URL of the service that is called.
        tactic_ref: Ref through which the tactic was named.
        endpoint: Route of a service call: `run`, `stream` or the name of a custom endpoint.
        tags: Short labels.
        metadata: Anything else, with string keys.
    """

    model_config = ConfigDict(extra="allow", defer_build=True)

    request_id: TokenText = Field(default_factory=new_id)
    caller: Text | None = None
    trace_id: TokenText | None = None
    span_id: TokenText | None = None
    package_ref: TacticRefText | None = None
    service_ref: ServiceRefText | None = None
    tactic_ref: TacticRefText | None = None
    endpoint: TokenText | None = None
    tags: Tags = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)

    # A slot and not a private attribute, which would slow the construction of every context.
    __slots__ = ("_fate",)
    if TYPE_CHECKING:
        _fate: _Fate | None = None

    @classmethod
    def fresh(cls, parent: CallContext | None = None) -> Self:
        """Return a context with a new request id, without the cost of validation.

        Args:
            parent: Context of the call around this one; its trace id, deadline and cancellation are shared.
        """
        context: Self = fresh_context(parent, cls)
        if cls is not CallContext:
            # A subclass may have fields and defaults of its own, which only its constructor knows.
            context = cls(request_id=context.request_id, trace_id=context.trace_id)
            _write_fate(context, None if parent is None else parent._derived_fate())
        return context

    @property
    def call_id(self) -> str:
        """The request id, under its older name."""
        return self.request_id

    @property
    def deadline(self) -> float | None:
        """Monotonic time in seconds after which the caller no longer waits, or None."""
        fate = self._given_fate()
        return None if fate is None else fate.deadline

    @property
    def bounded(self) -> bool:
        """Whether there is a deadline."""
        try:
            fate = _read_fate(self)
        except AttributeError:
            fate = self._given_fate()
        return fate is not None and fate.deadline is not None

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline, negative once it has passed, or None without a deadline."""
        deadline = self.deadline
        return None if deadline is None else deadline - monotonic()

    @property
    def cancelled(self) -> bool:
        """Whether the caller has gone or the deadline has passed: work that can stop should stop."""
        fate = self._given_fate()
        if fate is None:
            return False
        return fate.is_cancelled() or (fate.deadline is not None and monotonic() >= fate.deadline)

    def limit(self, seconds: float | None) -> Self:
        """Shorten the deadline to at most `seconds` from now; it is never extended.

        Args:
            seconds: Finite number of seconds, or None to leave the deadline as it is.

        Returns:
            This context.

        Raises:
            ValueError: `seconds` is not a finite number.
        """
        if seconds is None:
            return self
        number: object = seconds
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not isfinite(number):
            raise ValueError("seconds must be a finite number or None.")
        fate = self._own_fate()
        deadline = monotonic() + seconds
        fate.deadline = deadline if fate.deadline is None else min(fate.deadline, deadline)
        return self

    def cancel(self) -> None:
        """Mark that the caller has gone, for this context and those derived from it."""
        self._own_fate().cancelled = True

    def _given_fate(self) -> _Fate | None:
        try:
            fate: _Fate | None = _read_fate(self)
        except AttributeError:  # the constructor leaves the slot empty; filled once, the next look is quick
            fate = None
            _write_fate(self, None)
        return fate

    def _own_fate(self) -> _Fate:
        fate = self._given_fate()
        if fate is None:
            fate = _Fate()
            _write_fate(self, fate)
        return fate

    def _derived_fate(self) -> _Fate:
        """Return the fate of a context made for a call below this one."""
        above = self._own_fate()
        return _Fate(above.deadline, above)

    def __copy__(self) -> Self:
        return self._sharing_fate(super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self._sharing_fate(super().__deepcopy__(memo))

    def _sharing_fate(self, copied: Self) -> Self:
        fate = self._given_fate()
        _write_fate(copied, None if fate is None else _Fate(fate.deadline, fate))
        return copied


# Slots are reached through their descriptors: pydantic's `__getattr__` and `__setattr__` are several times slower.
_read_fate = CallContext.__dict__["_fate"].__get__
_write_fate = CallContext.__dict__["_fate"].__set__
_set_fields = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__


def fresh_context(parent: CallContext | None = None, cls: Any = CallContext) -> Any:
    """Return a context with a new request id; the quick form of `CallContext.fresh`.

    Args:
        parent: Context of the call around the new one, or None.
        cls: The class to make.
    """
    context = object.__new__(cls)
    fields: dict[str, Any] = {**_BLANK, "request_id": new_id(), "tags": {}, "metadata": {}}
    _set(context, "__dict__", fields)
    _set_fields(context, set())
    _set_extra(context, {})
    _set_private(context, None)
    if parent is None:
        _write_fate(context, None)
        return context
    fields["trace_id"] = parent.trace_id
    _write_fate(context, parent._derived_fate())
    return context


def check_deadline(context: CallContext) -> None:
    """Refuse to begin work for which no time is left.

    Args:
        context: The context of the call.

    Raises:
        DeadlineExceeded: The deadline has passed.
    """
    remaining = context.remaining
    if remaining is not None and remaining <= 0:
        raise DeadlineExceeded("The deadline of the call has passed.")


_BLANK = dict.fromkeys(CallContext.model_fields)

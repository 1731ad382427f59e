"""What is known about one request while it passes through the layers of a service."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from lllm.ids import new_id

__all__ = ["RequestState", "state_of"]

_KEY = "lllm"


class RequestState:
    """The notes on one request; the guard makes them, routes add to them, the access log reads them.

    Attributes:
        headers: Header names in lower case to values; of repeated headers the last one.
        principal: Who makes the request, or None.
        tactic: Name of the tactic that serves it.
        endpoint: `run`, `stream`, the name of a custom endpoint, or None.
        status: Status of the answer, 0 before there is one.
        started: `perf_counter()` at which the request came in.
        trace_id: Id of the trace that its headers name, None when they name none.
    """

    __slots__ = ("_request_id", "endpoint", "headers", "principal", "started", "status", "tactic", "trace_id")

    def __init__(self, scope: Any) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.principal: str | None = None
        self.tactic: str | None = None
        self.endpoint: str | None = None
        self.status = 0
        self.started = perf_counter()
        self.trace_id: str | None = None
        self._request_id: str | None = None

    @property
    def request_id(self) -> str:
        """The caller's id of the request when it gave one, else a new one."""
        if self._request_id is None:
            self._request_id = new_id()
        return self._request_id

    @request_id.setter
    def request_id(self, value: str) -> None:
        self._request_id = value

    def text(self, name: bytes) -> str | None:
        """Return a header as text, or None when the request has none of that name.

        Args:
            name: Name in lower case.
        """
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def accepts(self, media_type: bytes) -> bool:
        """Tell whether the `Accept` header names a media type.

        Args:
            media_type: Such as `application/problem+json`.
        """
        accept = self.headers.get(b"accept")
        return accept is not None and media_type in accept.lower()


def state_of(scope: Any) -> RequestState:
    """Return the notes on a request; made now when no guard made them.

    Args:
        scope: The ASGI scope of the request.
    """
    state = scope.get(_KEY)
    if state is None:
        state = scope[_KEY] = RequestState(scope)
    found: RequestState = state
    return found


def has_state(scope: Any) -> bool:
    """Tell whether a guard has seen a request already.

    Args:
        scope: The ASGI scope of the request.
    """
    return _KEY in scope

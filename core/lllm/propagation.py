"""W3C trace headers that came in with a request and go out with the calls made while it is served.

Format: https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

__all__ = ["TRACE_HEADERS", "incoming_headers", "outgoing_headers"]

TRACE_HEADERS = ("traceparent", "tracestate", "baggage")
"""Names of the headers that are passed on, in lower case."""

incoming_headers: ContextVar[Mapping[str, str] | None] = ContextVar("lllm_incoming_headers", default=None)
"""What a service sets while it serves a request; None outside of one."""


def outgoing_headers() -> dict[str, str]:
    """Return the trace headers that a request made now should carry."""
    return dict(incoming_headers.get() or {})

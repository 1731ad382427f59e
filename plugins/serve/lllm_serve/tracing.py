"""Traces across services: W3C headers taken in and passed on, and OpenTelemetry spans when somebody records them.

Format: https://www.w3.org/TR/trace-context/.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING, Any

from lllm.propagation import TRACE_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lllm_serve.request_state import RequestState

__all__ = ["SPANS", "Spans", "trace_headers", "trace_id_of"]

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


def trace_id_of(state: RequestState) -> str | None:
    """Return the trace id of the `traceparent` header, None when there is none or it is malformed.

    Args:
        state: The notes on the request.
    """
    given = state.headers.get(b"traceparent")
    if given is None:
        return None
    found = _TRACEPARENT.fullmatch(given.decode("latin-1").strip())
    return None if found is None else found[1]


def trace_headers(state: RequestState) -> dict[str, str]:
    """Return the headers that calls made while the request is served should carry, and note the trace.

    Args:
        state: The notes on the request.
    """
    state.trace_id = trace_id_of(state)
    valid = state.trace_id is not None
    found = {}
    for name, raw in _HEADERS:
        value = state.headers.get(raw)
        if value is not None and (valid or name == "baggage"):
            found[name] = value.decode("latin-1").strip()
    return found


_HEADERS = tuple((name, name.encode()) for name in TRACE_HEADERS)


class Spans:
    """Spans of OpenTelemetry; without it, or while nobody records them, nothing is done."""

    def __init__(self) -> None:
        self._trace: Any = None
        self._propagate: Any = None
        self._recorded = False
        self._look_again = 0.0
        if find_spec("opentelemetry") is not None:
            from opentelemetry import propagate, trace

            self._trace, self._propagate = trace, propagate

    @property
    def recorded(self) -> bool:
        """Whether somebody records spans."""
        if self._trace is None or self._recorded:
            return self._recorded
        now = monotonic()
        if now >= self._look_again:
            # Asking reads the environment each time, which costs more than everything else about a request.
            self._look_again = now + 1.0
            self._recorded = not isinstance(
                self._trace.get_tracer_provider(), self._trace.ProxyTracerProvider
            )
        return self._recorded

    def span(
        self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]
    ) -> AbstractContextManager[dict[str, str]]:
        """Return a span for one request; it gives the trace headers for what is called inside of it.

        Args:
            name: Name of the span.
            headers: The trace headers that came in.
            attributes: What the span says.
        """
        return self._span(name, headers, attributes)

    @contextmanager
    def _span(
        self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]
    ) -> Iterator[dict[str, str]]:
        trace = self._trace
        around = trace.get_current_span().get_span_context().is_valid
        tracer = trace.get_tracer("lllm.serve")
        with tracer.start_as_current_span(
            name,
            # The framework may have opened a span for the request; then this one is inside of it.
            context=None if around else self._propagate.extract(headers),
            kind=trace.SpanKind.INTERNAL if around else trace.SpanKind.SERVER,
            attributes=attributes,
        ):
            outgoing = dict(headers)
            self._propagate.inject(outgoing)
            yield outgoing


SPANS = Spans()

"""What is watched around the work of one request, when the request asks for it: usage, traces, spans."""

from __future__ import annotations

from contextlib import ExitStack
from contextvars import Token
from typing import TYPE_CHECKING, Any, Self

from pydantic_core import to_json

from lllm.calls import Call, root_calls
from lllm.propagation import incoming_headers
from lllm_serve.tracing import SPANS, trace_headers

if TYPE_CHECKING:
    from lllm_serve.exchange import Exchange

__all__ = ["Observation", "observation_of"]

_ASKED = frozenset({b"x-lllm-usage", b"traceparent", b"baggage"})


def observation_of(exchange: Exchange) -> Observation | None:
    """Return what a request asks to be watched, or None; most ask for nothing.

    Args:
        exchange: The request.
    """
    spans = SPANS.recorded
    if not spans and _ASKED.isdisjoint(exchange.state.headers):
        return None
    return Observation(exchange, spans)


class Observation:
    """Sets up what is watched, and reads the result.

    Args:
        exchange: The request.
        spans: Whether to open a span.
    """

    def __init__(self, exchange: Exchange, spans: bool) -> None:
        self._exchange = exchange
        self._spans = spans
        self._stack: ExitStack | None = None
        self._tokens: list[tuple[Any, Token[Any]]] = []
        self._calls: list[Call] | None = None

    def __enter__(self) -> Self:
        exchange, state = self._exchange, self._exchange.state
        if state.headers.get(b"x-lllm-usage", b"").strip() == b"1":
            self._calls = []
            self._set(root_calls, self._calls)
        headers = trace_headers(state)
        if self._spans:
            attributes = {"lllm.tactic": exchange.served.name, "lllm.endpoint": exchange.endpoint}
            self._stack = ExitStack()
            headers = self._stack.enter_context(
                SPANS.span(f"{exchange.endpoint} {exchange.served.name}", headers, attributes)
            )
        if headers:
            self._set(incoming_headers, headers)
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        for variable, token in reversed(self._tokens):
            variable.reset(token)
        return None if self._stack is None else self._stack.__exit__(*exception)

    def _set(self, variable: Any, value: Any) -> None:
        self._tokens.append((variable, variable.set(value)))

    def usage(self) -> bytes | None:
        """Return what the models behind the request cost so far, as JSON; None when nobody asked."""
        if self._calls is None:
            return None
        totals = [call.session.usage_totals() for call in self._calls]
        summed: dict[str, float] = dict.fromkeys(_EMPTY, 0)
        for total in totals:
            for name, value in total.items():
                summed[name] += value
        return to_json(summed)


_EMPTY = ("cost", "calls", "unpriced", "prompt_tokens", "completion_tokens", "total_tokens")

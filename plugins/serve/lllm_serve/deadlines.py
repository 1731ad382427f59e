"""How long a call may take: what the caller says, cut to what the service allows."""

from __future__ import annotations

from math import isfinite
from time import monotonic

from lllm import SchemaError
from lllm_serve.request_state import RequestState

__all__ = ["deadline_of"]


def deadline_of(state: RequestState, request_timeout: float | None) -> float | None:
    """Return the monotonic time in seconds at which a call must be answered, or None.

    Args:
        state: The notes on the request; its header `X-LLLM-Timeout-Ms` says how many milliseconds are left.
        request_timeout: Most seconds that the service gives a call, or None.

    Raises:
        SchemaError: The header is no number.
    """
    given = state.headers.get(b"x-lllm-timeout-ms")
    if given is None:
        return None if request_timeout is None else monotonic() + request_timeout
    try:
        seconds = float(given.decode("latin-1")) / 1000.0
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds):
        raise SchemaError("The header X-LLLM-Timeout-Ms must be a number of milliseconds.")
    return monotonic() + (seconds if request_timeout is None else min(seconds, request_timeout))

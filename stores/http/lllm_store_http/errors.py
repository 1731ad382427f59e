"""From the error envelope of the served API to exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lllm import errors
from lllm.errors import (
    InvalidPayloadError,
    LeaseLostError,
    SnapshotConflictError,
    SSSNError,
    StoreBusyError,
)
from lllm.names import check_token

__all__ = ["RouteMissingError", "error_parts", "store_error"]

_CLASSES: dict[str, type[SSSNError]] = {
    name: getattr(errors, name) for name in errors.__all__ if issubclass(getattr(errors, name), SSSNError)
}
_LEASES = re.compile(r"Lease is not held: (.*)", re.DOTALL)
_REVISION = re.compile(r"Snapshot revision conflict: (.+) \(expected (\d+), current (\d+)\)", re.DOTALL)


class RouteMissingError(SSSNError):
    """The server does not have the route that was asked for: it is older, or serves the base routes only."""


def error_parts(body: Any) -> tuple[str | None, str | None]:
    """Read type and message from the body of a failed request.

    Args:
        body: The parsed JSON, of any shape.

    Returns:
        The error's type and message; each is None when it is missing or malformed.
    """
    detail = body.get("detail") if isinstance(body, Mapping) else None
    for envelope in _envelopes(body, detail):
        kind, message = envelope.get("type"), envelope.get("message")
        return _token(kind), message if isinstance(message, str) else None
    return None, detail if isinstance(detail, str) else None


def _envelopes(body: Any, detail: Any) -> Iterator[Mapping[str, Any]]:
    for outer in (detail, body):
        if isinstance(outer, Mapping) and isinstance(outer.get("error"), Mapping):
            yield outer["error"]


def _token(value: Any) -> str | None:
    try:
        return check_token(value, "error type")
    except (TypeError, ValueError):
        return None


def store_error(status: int, body: Any, *, request: str) -> SSSNError:
    """Make the exception that a local store would have raised.

    Args:
        status: HTTP status of the answer, 400 or more.
        body: The parsed JSON of the answer, of any shape.
        request: Method and path template, for the text.
    """
    kind, message = error_parts(body)
    if kind is None and status in {404, 405, 501}:
        return RouteMissingError(f"server does not offer {request}")
    text = message or f"HTTP {status}"
    return _named(kind, text) or _by_status(status, kind, text, request)


def _named(kind: str | None, text: str) -> SSSNError | None:
    """Make the error of a class that the core knows."""
    if kind == "LeaseLostError":
        match = _LEASES.fullmatch(text)
        return LeaseLostError(match[1].split(", ")) if match else SSSNError(text)
    if kind == "SnapshotConflictError":
        match = _REVISION.fullmatch(text)
        return SnapshotConflictError(match[1], int(match[2]), int(match[3])) if match else SSSNError(text)
    return _CLASSES[kind](text) if kind in _CLASSES else None


def _by_status(status: int, kind: str | None, text: str, request: str) -> SSSNError:
    if status == 413:
        return InvalidPayloadError(f"the server refused the body of {request} as too large: {text}")
    if status == 503:
        return StoreBusyError(f"Store is busy: {text}")
    if status in {401, 403}:
        return SSSNError(f"the server refused {request} with HTTP {status}: {text}")
    return SSSNError(f"the server failed at {request} with HTTP {status} ({kind or 'unknown'}): {text}")

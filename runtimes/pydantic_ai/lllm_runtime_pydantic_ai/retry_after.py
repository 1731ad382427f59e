"""How long a provider asks its caller to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

__all__ = ["retry_after_of"]


def retry_after_of(error: BaseException) -> float | None:
    """Return the seconds that a provider asked to wait, or None when it did not.

    Args:
        error: The library's exception; where its release has no `retry_after`, the headers of the answer are read.
    """
    said = getattr(error, "retry_after", None)
    if said is not None:
        return float(said)
    headers: Any = getattr(error, "headers", None)
    if not isinstance(headers, Mapping):
        return None
    milliseconds = _number(headers.get("retry-after-ms"))
    return milliseconds / 1000 if milliseconds is not None else _seconds(headers.get("retry-after"))


def _number(text: Any) -> float | None:
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) and number >= 0 else None


def _seconds(text: Any) -> float | None:
    """Read a number of seconds, or a date as HTTP writes them."""
    number = _number(text)
    if number is not None or text is None:
        return number
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    when = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())

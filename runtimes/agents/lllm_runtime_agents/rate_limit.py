"""Recognising that a provider asks us to slow down, and how long to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["is_rate_limit", "retry_after", "wait_before"]

_TEXT = re.compile(
    r"rate[\s_-]?limit|too many requests|\b(?:code|status|http|error)\W{0,3}429\b", re.IGNORECASE
)
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0


def is_rate_limit(error: BaseException) -> bool:
    """Tell whether an error means that too many requests were made.

    Args:
        error: What an invoker raised.
    """
    for name in ("status", "status_code", "code", "http_status"):
        status = getattr(error, name, None)
        if isinstance(status, int) and not isinstance(status, bool):
            return status == 429
    return "RateLimit" in type(error).__name__ or _TEXT.search(str(error)) is not None


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that the provider asked to wait, or None.

    Args:
        error: What an invoker raised; read are its `retry_after` and the headers of its `response`.
    """
    asked = getattr(error, "retry_after", None)
    if asked is None:
        response = getattr(error, "response", None)
        headers = getattr(error, "headers", None) or getattr(response, "headers", None)
        asked = headers.get("retry-after") if isinstance(headers, Mapping) else None
    return _seconds(asked)


def _seconds(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        pass
    try:
        moment = parsedate_to_datetime(str(value))
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def wait_before(error: BaseException, tried: int) -> float:
    """Return how many seconds to wait before the next try.

    Args:
        error: What an invoker raised.
        tried: How many retries were made before.
    """
    asked = retry_after(error)
    return min(_FIRST_WAIT * 2**tried, _LONGEST_WAIT) if asked is None else asked

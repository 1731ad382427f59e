"""What went wrong with a request, as a record, and the exception that refuses one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException

__all__ = ["RETRYABLE", "Failure", "Refusal"]

RETRYABLE = frozenset({408, 429, 502, 503, 504})
"""Statuses after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What is told to a caller whose request failed.

    Args:
        status: HTTP status.
        type: Class name of the error, or a word such as `Forbidden`.
        message: What is wrong and what to do about it.
        headers: Headers of the answer, such as `Retry-After` in seconds.
        metadata: What else is known, as JSON.
        errors: For a refused input, what is wrong where: `pointer`, `detail` and `code` each.
    """

    status: int
    type: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    errors: Sequence[Mapping[str, Any]] = ()

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in RETRYABLE


class Refusal(HTTPException):
    """A request that is not served, raised before or instead of the work.

    It is an `HTTPException`, so routes that a plugin adds may raise it too, and FastAPI lets it pass.

    Args:
        status: HTTP status.
        type: A word such as `Forbidden`.
        message: What is wrong and what to do about it.
        retry_after: Seconds after which to try again, or None.
        headers: Further headers of the answer.
        errors: As for `Failure`.
    """

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002  # the name it has in bodies
        message: str,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        given = dict(headers or {})
        if retry_after is not None:
            given["Retry-After"] = str(max(1, round(retry_after)))
        super().__init__(status, message, given)
        self.failure = Failure(status, type, message, given, errors=errors)

    def __str__(self) -> str:
        return self.failure.message

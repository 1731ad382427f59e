"""Reading a whole response, within a time and a size that no service can stretch.

A timeout of the HTTP library counts from one byte to the next, so a service that sends a byte now and then would hold
a caller for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import Any

__all__ = ["Answer", "TooLargeError", "aread_answer", "read_answer"]


class TooLargeError(Exception):
    """A response is larger than the caller takes.

    Args:
        status_code: Its status.
        limit: Most bytes that are taken.
    """

    def __init__(self, status_code: int, limit: int) -> None:
        super().__init__(f"The response is larger than {limit} bytes.")
        self.status_code = status_code


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response.

    Attributes:
        status_code: HTTP status.
        headers: Its headers; names in any case.
        content: Its body, decompressed.
    """

    status_code: int
    headers: Any = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.content.decode("utf-8", "replace")


class _Parts:
    def __init__(self, status_code: int, until: float | None, limit: int) -> None:
        self.status_code = status_code
        self.until = until
        self.limit = limit
        self.size = 0
        self.parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        self.size += len(part)
        if self.size > self.limit:
            raise TooLargeError(self.status_code, self.limit)
        if self.until is not None and monotonic() > self.until:
            raise TimeoutError("the answer came too slowly")
        self.parts.append(part)


def read_answer(response: Any, *, until: float | None, limit: int) -> Answer:
    """Read a response to its end.

    Args:
        response: A response whose body has not been read.
        until: Monotonic time in seconds by which it must be there, or None.
        limit: Most bytes of the body.

    Raises:
        TimeoutError: The time passed first.
        TooLargeError: The body is larger.
    """
    body = _Parts(response.status_code, until, limit)
    for part in response.iter_bytes():
        body.add(part)
    return Answer(response.status_code, response.headers, b"".join(body.parts))


async def aread_answer(response: Any, *, limit: int) -> Answer:
    """Read a response to its end; whoever awaits this watches the time.

    Args:
        response: A response whose body has not been read.
        limit: Most bytes of the body.

    Raises:
        TooLargeError: The body is larger.
    """
    body = _Parts(response.status_code, None, limit)
    async for part in response.aiter_bytes():
        body.add(part)
    return Answer(response.status_code, response.headers, b"".join(body.parts))

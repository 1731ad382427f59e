"""What the methods of a client stand on: one place that sends, one that opens a body for streaming."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from lllm_store_http.requests import Call

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncSender", "Checks", "Sender"]

T = TypeVar("T")


class Checks:
    """Checks of numbers before a request; a client that leaves them to the server passes them on."""

    def _whole(self, value: Any, field: str, *, least: int = 0) -> Any:
        """Return an integer argument, checked or not."""
        return value

    def _seconds(self, value: Any, field: str) -> Any:
        """Return a number of seconds, checked or not."""
        return value


class Sender(Checks):
    """Sends calls; a client implements both methods."""

    def _send(self, call: Call[T]) -> T:
        """Send a call and return what its answer says."""
        raise NotImplementedError

    def _stream(self, method: str, path: str, **options: Any) -> AbstractContextManager[httpx.Response]:
        """Send a request whose answer is read piece by piece; errors but 416 raise on entry."""
        raise NotImplementedError


class AsyncSender(Checks):
    """Sends calls from an event loop; a client implements both methods."""

    async def _send(self, call: Call[T]) -> T:
        """Send a call and return what its answer says."""
        raise NotImplementedError

    def _stream(self, method: str, path: str, **options: Any) -> AbstractAsyncContextManager[httpx.Response]:
        """Send a request whose answer is read piece by piece; errors but 416 raise on entry."""
        raise NotImplementedError

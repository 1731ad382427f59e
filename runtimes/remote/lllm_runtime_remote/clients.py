"""HTTP clients, made at the first request and kept; the only module that imports httpx.

No httpx type shows in a public signature: a caller may hand in clients of httpx or of its successor httpx2.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import suppress
from threading import Lock
from typing import Any

__all__ = ["Clients", "get", "is_timeout", "is_transport_error", "was_not_sent"]


class Clients:
    """One pooled client for synchronous calls and one for each event loop.

    Args:
        transport: An httpx transport for synchronous calls, or None.
        async_transport: The same for asynchronous calls; default `transport` when it can do both.
        client: A client to use instead, synchronous or asynchronous; it is never closed here.
    """

    def __init__(self, transport: Any = None, async_transport: Any = None, client: Any = None) -> None:
        self.transport = transport
        if async_transport is None and hasattr(transport, "handle_async_request"):
            async_transport = transport
        self.async_transport = async_transport
        given_async = client is not None and hasattr(client, "aclose")
        self._given = None if given_async else client
        self._given_async = client if given_async else None
        self._sync: Any = None
        self._by_loop: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._lock = Lock()
        self._process = os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and other processes open connections of their own."""
        given = self._given_async if self._given is None else self._given
        return Clients, (self.transport, self.async_transport, given)

    def _leave_parent(self) -> None:
        """In a forked child, leave the connections of the parent alone: both would read from one socket."""
        if self._process != os.getpid():
            self._process, self._sync, self._lock = os.getpid(), None, Lock()

    def sync(self) -> Any:
        """Return the client for this process."""
        if self._given is not None:
            return self._given
        self._leave_parent()
        if self._sync is None:
            import httpx

            with self._lock:
                if self._sync is None:
                    self._sync = httpx.Client(transport=self.transport, follow_redirects=False)
        return self._sync

    def asynchronous(self) -> Any:
        """Return the client for the running event loop; pools are bound to the loop that opened them."""
        if self._given_async is not None:
            return self._given_async
        loop = asyncio.get_running_loop()
        client = self._by_loop.get(loop)
        if client is None:
            import httpx

            client = httpx.AsyncClient(transport=self.async_transport, follow_redirects=False)
            with self._lock:
                self._by_loop[loop] = client
        return client

    def close(self) -> None:
        """Close the synchronous client; it is made again when it is needed again."""
        with self._lock:
            client, self._sync = self._sync, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the clients of this loop and of synchronous calls."""
        with self._lock:
            client = self._by_loop.pop(asyncio.get_running_loop(), None)
        if client is not None:
            with suppress(RuntimeError):  # the pool of a loop that is already gone
                await client.aclose()
        self.close()


def get(url: str, timeout: float) -> Any:
    """Return the response to one request that needs no pool.

    Args:
        url: What to get.
        timeout: Seconds to wait for the answer.
    """
    import httpx

    return httpx.get(url, timeout=timeout)


def _names(error: BaseException) -> set[str]:
    libraries = {"httpx", "httpx2"}
    return {cls.__name__ for cls in type(error).__mro__ if cls.__module__.partition(".")[0] in libraries}


def is_transport_error(error: BaseException) -> bool:
    """Tell whether the service could not be reached or broke off, for httpx and httpx2 alike."""
    return not _names(error).isdisjoint({"TransportError", "StreamError"})


def is_timeout(error: BaseException) -> bool:
    """Tell whether a transport error is a timeout."""
    return "TimeoutException" in _names(error)


def was_not_sent(error: BaseException) -> bool:
    """Tell whether the request certainly never reached the service, so that it can be sent again."""
    return not _names(error).isdisjoint({"ConnectError", "ConnectTimeout", "PoolTimeout"})

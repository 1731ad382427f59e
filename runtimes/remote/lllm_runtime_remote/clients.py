"""HTTP clients, made at the first request and kept; the only module that imports httpx.

No httpx type shows in a public signature: a caller may hand in clients of httpx or of its successor httpx2.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Lock
from time import monotonic
from typing import Any

from lllm import TacticServiceError
from lllm_runtime_remote.answers import Answer, read_answer

__all__ = ["Clients", "get", "is_timeout", "is_transport_error", "was_not_sent"]

_IDLE_SECONDS = 4.0
"""How long an idle connection is kept: less than the five seconds of uvicorn, so that the client closes first."""


class Clients:
    """One pooled client for synchronous calls and one for each event loop.

    They are closed with this object, and that of an event loop when the loop ends.

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
        self._sync: Lease | None = None
        self._finalizer: Any = None
        self._by_loop: weakref.WeakKeyDictionary[Any, tuple[Any, AsyncGenerator[None, None]]] = (
            weakref.WeakKeyDictionary()
        )
        # Tasks on a loop that goes on, such as the background loop, close what was opened there.
        weakref.finalize(self, _end_all, self._by_loop, os.getpid()).atexit = False
        self._urls: dict[str, Any] = {}
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

    def sync(self) -> Lease:
        """Return the client for this process and who uses it."""
        if self._given is not None:
            return Lease(self._given, Lock())
        self._leave_parent()
        with self._lock:
            if self._sync is None:
                client = _made("Client", self.transport)
                self._sync = Lease(client, self._lock)
                self._finalizer = weakref.finalize(self, client.close)
            return self._sync

    def parsed(self, url: str) -> Any:
        """Return a URL as the clients made here like it best: parsed once, and not at each request.

        Args:
            url: One of the few URLs of a service.
        """
        if self._given is not None or self._given_async is not None:
            return url
        known = self._urls.get(url)
        if known is None:
            import httpx

            known = self._urls[url] = httpx.URL(url)
        return known

    def using(self) -> Lease:
        """Return the client for this process; it stays open until the lease is left."""
        while True:  # another thread may close it before it is taken
            lease = self.sync()
            if lease.take():
                return lease

    def asynchronous(self) -> Any:
        """Return the client for the running event loop; pools are bound to the loop that opened them."""
        if self._given_async is not None:
            return self._given_async
        loop = asyncio.get_running_loop()
        kept = self._by_loop.get(loop)
        if kept is None or kept[0].is_closed:
            self._leave_parent()
            client = _made("AsyncClient", self.async_transport)
            kept = (client, _open_while_loop_runs(client, weakref.WeakMethod(self._forget)))
            # Begun, it is among what the loop closes at its end; nothing is awaited up to the first item.
            with suppress(StopIteration):
                kept[1].__anext__().__await__().send(None)
            with self._lock:
                # A client knows its loop, so the entry of a loop that ended without closing anything would stay.
                for ended in [each for each in self._by_loop if each.is_closed()]:
                    del self._by_loop[ended]
                self._by_loop[loop] = kept
        return kept[0]

    def _forget(self, loop: Any) -> None:
        with self._lock:
            self._by_loop.pop(loop, None)

    def close(self) -> None:
        """Close the synchronous client once nobody uses it; it is made again when it is needed again."""
        self._leave_parent()
        with self._lock:
            lease, self._sync = self._sync, None
            finalizer, self._finalizer = self._finalizer, None
        if lease is not None:
            finalizer.detach()
            lease.end()

    async def aclose(self) -> None:
        """Close the clients of this loop and of synchronous calls."""
        with self._lock:
            kept = self._by_loop.get(asyncio.get_running_loop())
        if kept is not None:
            await kept[1].aclose()
        self.close()


class Lease:
    """A synchronous client and how many calls use it.

    Closing it under them would leave them waiting for a socket that is dead.

    Args:
        client: The client.
        lock: Guards the count.
    """

    __slots__ = ("_ended", "_lock", "_users", "client")

    def __init__(self, client: Any, lock: Lock) -> None:
        self.client = client
        self._lock = lock
        self._users = 0
        self._ended = False

    def take(self) -> bool:
        """Count one more user; False when the client is no longer to be used."""
        with self._lock:
            if self._ended:
                return False
            self._users += 1
            return True

    def __enter__(self) -> Any:
        return self.client

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._users -= 1
            last = self._ended and self._users == 0
        if last:
            self.client.close()

    def end(self) -> None:
        """Close the client as soon as no call uses it."""
        with self._lock:
            self._ended = True
            idle = self._users == 0
        if idle:
            self.client.close()


async def _open_while_loop_runs(client: Any, forget: Any) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await client.aclose()
        still = forget()
        if still is not None:
            still(asyncio.get_running_loop())


_ending: set[asyncio.Task[None]] = set()


def _end_all(by_loop: Mapping[Any, tuple[Any, AsyncGenerator[None, None]]], process: int) -> None:
    """Close the clients of all loops, each on its own; the loops of a parent process are its own affair."""
    for loop, (_, opened) in tuple(by_loop.items()):
        if process == os.getpid() and not loop.is_closed():
            with suppress(RuntimeError):  # closed in this moment
                loop.call_soon_threadsafe(_end, loop, opened)


def _end(loop: asyncio.AbstractEventLoop, opened: AsyncGenerator[None, None]) -> None:
    task = loop.create_task(_closed(opened))
    _ending.add(task)
    task.add_done_callback(_ending.discard)


async def _closed(opened: AsyncGenerator[None, None]) -> None:
    await opened.aclose()


def _made(kind: str, transport: Any) -> Any:
    import httpx

    try:
        limits = httpx.Limits(
            max_connections=100, max_keepalive_connections=20, keepalive_expiry=_IDLE_SECONDS
        )
        verify: Any = _tls() if transport is None else True
        # A cookie that a service sets for one caller is not sent for the next.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        return getattr(httpx, kind)(
            transport=transport, follow_redirects=False, limits=limits, verify=verify, cookies=no_cookies
        )
    except (ValueError, OSError, ImportError, httpx.InvalidURL) as error:
        # The text may hold the password of a proxy.
        raise TacticServiceError(
            f"No HTTP client can be made ({type(error).__name__}): check the environment variables HTTP_PROXY, "
            f"HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR."
        ) from None


@lru_cache(maxsize=1)
def _tls() -> Any:
    """Return what connections are verified with; reading the certificates takes longer than most calls."""
    import httpx

    return httpx.create_ssl_context()


def get(url: str, timeout: float, limit: int = 1 << 20) -> Answer:
    """Return the answer to one request that needs no pool.

    Args:
        url: What to get.
        timeout: Seconds to wait for the answer.
        limit: Most bytes of the body.
    """
    with _made("Client", None) as client, client.stream("GET", url, timeout=timeout) as response:
        return read_answer(response, until=monotonic() + timeout, limit=limit)


def _names(error: BaseException) -> set[str]:
    libraries = {"httpx", "httpx2"}
    return {cls.__name__ for cls in type(error).__mro__ if cls.__module__.partition(".")[0] in libraries}


def is_transport_error(error: BaseException) -> bool:
    """Tell whether the service could not be reached, broke off or was too slow, for httpx and httpx2 alike."""
    return isinstance(error, TimeoutError) or not _names(error).isdisjoint(
        {"RequestError", "StreamError", "InvalidURL"}
    )


def is_timeout(error: BaseException) -> bool:
    """Tell whether a transport error is a timeout."""
    return isinstance(error, TimeoutError) or "TimeoutException" in _names(error)


def was_not_sent(error: BaseException) -> bool:
    """Tell whether the request certainly never reached the service, so that it can be sent again."""
    return not _names(error).isdisjoint({"ConnectError", "ConnectTimeout", "PoolTimeout"})

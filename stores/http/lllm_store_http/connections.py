"""Pooled httpx clients, made at the first request. The only module that touches httpx."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lllm.errors import InvalidPayloadError
from lllm.refs import check_http_url

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncPool", "Pool", "build_request", "check_base_url", "connection_errors", "request_headers"]

# Shorter than the five seconds after which uvicorn closes an idle connection: a request must not meet that.
KEEPALIVE_SECONDS = 3.0


def check_base_url(value: object) -> str:
    """Return the base URL of a server without its trailing slash.

    Args:
        value: An absolute HTTP(S) URL, a str.

    Raises:
        ValueError: It is not such a URL; the text starts with `base_url`.
    """
    text = value.rstrip("/") if isinstance(value, str) else value
    return check_http_url(text, "base_url")


def request_headers(token: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers that go with every request.

    Args:
        token: Bearer token, or None.
        headers: Further headers; one named Authorization gives way to the token.
    """
    merged = dict(headers or {})
    if token is not None:
        merged = {name: value for name, value in merged.items() if name.lower() != "authorization"}
        merged["Authorization"] = f"Bearer {token}"
    return merged


def connection_errors() -> tuple[type[Exception], type[Exception], type[Exception]]:
    """Return httpx's errors for: the server was not reached, it was too slow, any failed request."""
    import httpx

    return httpx.ConnectError, httpx.TimeoutException, httpx.RequestError


def build_request(
    client: httpx.Client | httpx.AsyncClient, method: str, url: str, options: Mapping[str, Any]
) -> httpx.Request:
    """Return a request, encoded and ready to be sent.

    Args:
        client: The client that will send it.
        method: HTTP method.
        url: Absolute URL.
        options: What httpx takes: `params`, `json`, `content`, `headers`, `timeout`.

    Raises:
        InvalidPayloadError: A parameter or the body cannot be encoded.
    """
    try:
        return client.build_request(method, _parsed(url), **options)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidPayloadError(f"Value is not JSON serializable: {error}") from error


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Return a URL taken apart; most requests go to one of a few."""
    import httpx

    return httpx.URL(url)


def _options(base_url: str, timeout: float | None, headers: Mapping[str, str]) -> dict[str, Any]:
    import httpx

    return {
        "timeout": timeout,
        "headers": dict(headers),
        "limits": httpx.Limits(
            max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE_SECONDS
        ),
        # Loading the certificates takes longer than a request; without TLS nobody needs them.
        "verify": not base_url.lower().startswith("http://"),
    }


class Pool:
    """One keep-alive client, shared by threads and made anew after a fork.

    Args:
        base_url: URL that paths are appended to.
        timeout: Longest wait for the server, in seconds; None waits for ever.
        transport: An httpx transport to use instead of the network.
        headers: Headers of every request.
    """

    def __init__(
        self, base_url: str, timeout: float | None, transport: Any, headers: Mapping[str, str]
    ) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._transport = transport
        self._headers = headers
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._process = 0

    def client(self) -> httpx.Client:
        """Return the client of this process."""
        with self._lock:
            if self._client is None or self._process != os.getpid():
                import httpx

                options = _options(self._base_url, self._timeout, self._headers)
                self._client = httpx.Client(transport=self._transport, **options)
                self._process = os.getpid()
            return self._client

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None and self._process == os.getpid():
                client.close()


class AsyncPool:
    """One keep-alive client for each event loop that uses it.

    Args:
        base_url: URL that paths are appended to.
        timeout: Longest wait for the server, in seconds; None waits for ever.
        transport: An httpx transport to use instead of the network.
        headers: Headers of every request.
    """

    def __init__(
        self, base_url: str, timeout: float | None, transport: Any, headers: Mapping[str, str]
    ) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._transport = transport
        self._headers = headers
        self._kept: dict[
            int, tuple[asyncio.AbstractEventLoop, httpx.AsyncClient, AsyncGenerator[None, None]]
        ] = {}

    async def client(self) -> httpx.AsyncClient:
        """Return the client of the running event loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        for key, (other, _, _) in list(self._kept.items()):
            if other.is_closed():
                del self._kept[key]
        kept = self._kept.get(id(loop))
        if kept is not None:
            return kept[1]
        import httpx

        options = _options(self._base_url, self._timeout, self._headers)
        client = httpx.AsyncClient(transport=self._transport, **options)
        keeper = _closed_with_loop(client)
        self._kept[id(loop)] = (loop, client, keeper)
        await anext(keeper)
        return client

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next request opens new ones."""
        kept = self._kept.pop(id(asyncio.get_running_loop()), None)
        if kept is not None:
            await kept[2].aclose()


async def _closed_with_loop(client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Close a client when this generator is closed: an event loop that ends closes those that it runs."""
    try:
        yield
    finally:
        await client.aclose()

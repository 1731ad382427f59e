"""Connections to model providers, kept apart by event loop.

A pool of connections belongs to the loop that opened them. The agents of this runtime run on several at once: on
the caller's when the call is awaited, on the one background loop when it is not. The library replaces a client whose
loop has ended, and would hand the connections of a running loop to another one. So the clients that it makes for
its providers get a transport that has one pool for each loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary, finalize

__all__ = ["PerLoopTransport", "keep_connections_apart"]

_changing = Lock()
_Kept = tuple[Any, AsyncGenerator[None, None] | None]
"""A transport, and what closes it together with its loop."""


class PerLoopTransport:
    """An HTTP transport that hands each request to the one of the running loop.

    Args:
        first: A transport that exists already.
        make: Returns a new transport for a further loop.
        loop: The loop that `first` was used on, or None when it was not used yet.
    """

    def __init__(
        self, first: Any, make: Callable[[], Any], loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self._unused = first if loop is None else None
        self._make = make
        self._transports: WeakKeyDictionary[asyncio.AbstractEventLoop, _Kept] = WeakKeyDictionary()
        if loop is not None:
            self._transports[loop] = first, None
        # The connections of a client that nobody has any more are closed where they were opened.
        finalize(self, _abandon, self._transports).atexit = False

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request and return the response.

        Args:
            request: A request of the HTTP library.
        """
        loop = asyncio.get_running_loop()
        known = self._transports.get(loop)
        if known is None or known[1] is None:
            with _changing:
                if known is None:
                    transport, self._unused = self._unused or self._make(), None
                else:
                    transport = known[0]
                ending = _closing(transport)
                known = self._transports[loop] = (transport, ending)
            await anext(ending)
        return await known[0].handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections of the running loop; those of another can only be closed there."""
        transport, _ = self._transports.pop(asyncio.get_running_loop(), (self._unused, None))
        if transport is not None:
            await transport.aclose()


def _abandon(transports: WeakKeyDictionary[asyncio.AbstractEventLoop, _Kept]) -> None:
    for loop, (transport, _) in list(transports.items()):
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(transport.aclose(), loop)


async def _closing(transport: Any) -> AsyncGenerator[None, None]:
    """Close a transport together with its loop, which closes the generators that were begun on it."""
    try:
        yield
    finally:
        await transport.aclose()


def keep_connections_apart(model: Any) -> None:
    """Give the HTTP clients behind a model one pool of connections for each event loop.

    A client that was handed to a provider is left alone: it is its owner's, and so is the choice of its loop.

    Args:
        model: A model of the library, its name, or None.
    """
    for provider in _providers(model):
        with _changing:
            make = getattr(provider, "_http_client_factory", None)
            client = getattr(provider, "_own_http_client", None)
            if make is not None and not isinstance(make, _Factory):
                provider._http_client_factory = _Factory(make)
                if client is not None:
                    _keep_apart(client, make, getattr(provider, "_own_client_loop", None))


class _Factory:
    """Makes the clients that the library replaces its own with; they have their loops apart from the beginning."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __call__(self) -> Any:
        client = self._make()
        _keep_apart(client, self._make, None)
        return client


def _keep_apart(client: Any, make: Callable[[], Any], loop: asyncio.AbstractEventLoop | None) -> None:
    client._transport = PerLoopTransport(client._transport, lambda: make()._transport, loop)
    for pattern, mounted in client._mounts.items():
        if mounted is not None:
            client._mounts[pattern] = PerLoopTransport(mounted, partial(_mounted, make, pattern), loop)


def _mounted(make: Callable[[], Any], pattern: Any) -> Any:
    return make()._mounts[pattern]


def _providers(model: Any) -> Iterator[Any]:
    """Yield the providers of a model, and of the models that it is made of."""
    if model is None or isinstance(model, str):
        return
    inner = getattr(model, "wrapped", None)
    if inner is not None:
        yield from _providers(inner)
        return
    parts = getattr(model, "models", None)
    if isinstance(parts, list):
        for part in parts:
            yield from _providers(part)
        return
    provider = getattr(model, "provider", None)
    if provider is not None:
        yield provider

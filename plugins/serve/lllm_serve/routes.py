"""The built-in routes of a service; plain Starlette routes, so that a request costs no dependency resolution."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lllm_serve.exchange import Exchange
from lllm_serve.failures import Failure
from lllm_serve.replies import Reply, error_envelope, failure_reply, json_reply
from lllm_serve.request_state import state_of
from lllm_serve.run_route import answer_run
from lllm_serve.served import Served
from lllm_serve.service import Service
from lllm_serve.stream_route import answer_stream

__all__ = ["RESERVED", "call_table", "is_reserved", "tactic_routes"]

RESERVED = frozenset(
    {"/health", "/ready", "/tactics", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"}
)
"""Paths that no custom endpoint can have."""

SINGLE = frozenset({"/info", "/run", "/stream"})
"""Paths of a service with one tactic."""


def is_reserved(path: str, *, single: bool) -> bool:
    """Tell whether a path belongs to the service itself.

    Args:
        path: Path of a custom endpoint.
        single: Whether the service has the short paths of its one tactic.
    """
    parts = path.strip("/").split("/")
    if len(parts) == 3 and parts[0] == "tactics" and f"/{parts[2]}" in SINGLE:
        return True
    return path in RESERVED or (single and path in SINGLE)


def tactic_routes(service: Service, only: Served | None) -> list[BaseRoute]:
    """Return the built-in routes, those first that are called most.

    Args:
        service: The service.
        only: The tactic that has the short paths, or None.
    """
    run, stream, info = (
        _Calls(service, "run", answer_run),
        _Calls(service, "stream", answer_stream),
        _Info(service),
    )
    routes: list[BaseRoute] = []
    if only is not None:
        routes += [
            Route("/run", _Calls(service, "run", answer_run, only), methods=["POST"], name="run"),
            Route("/stream", _Calls(service, "stream", answer_stream, only), methods=["POST"], name="stream"),
            Route("/info", _Info(service, only), methods=["GET"], name="info"),
        ]
    return [
        *routes,
        Route("/tactics/{name}/run", run, methods=["POST"], name="run_tactic"),
        Route("/tactics/{name}/stream", stream, methods=["POST"], name="stream_tactic"),
        Route("/tactics/{name}/info", info, methods=["GET"], name="tactic_info"),
        Route("/tactics", _Replies(lambda: _list(service)), methods=["GET"], name="list_tactics"),
        Route("/health", _Replies(lambda: _health(service)), methods=["GET"], name="health"),
        Route("/ready", _Replies(lambda: _ready(service)), methods=["GET"], name="ready"),
    ]


def call_table(service: Service, only: Served | None) -> dict[str, ASGIApp]:
    """Return the applications that serve calls, by path.

    Args:
        service: The service.
        only: The tactic that has the short paths, or None.
    """
    table: dict[str, ASGIApp] = {}
    prefixes = [(f"/tactics/{name}", served) for name, served in service.served.items()]
    for prefix, served in [*prefixes, *([("", only)] if only is not None else [])]:
        table[f"{prefix}/run"] = _Calls(service, "run", answer_run, served)
        table[f"{prefix}/stream"] = _Calls(service, "stream", answer_stream, served)
    return table


class _Replies:
    """An application that answers every request with what a function returns."""

    def __init__(self, make: Callable[[], Reply]) -> None:
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._make().send(send)


def _health(service: Service) -> Reply:
    return json_reply({"ok": True, "tactics": sorted(service.served)})


def _ready(service: Service) -> Reply:
    if service.draining:
        return json_reply({"ready": False}, status=503, headers=[(b"retry-after", b"1")])
    return json_reply({"ready": True})


def _list(service: Service) -> Reply:
    return json_reply([served.info.document() for served in service.served.values()])


class _Named:
    """An application for one tactic, or for the tactic that the path names."""

    def __init__(self, service: Service, only: Served | None = None) -> None:
        self.service = service
        self.only = only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        served = self.only
        if served is None:
            name = scope["path_params"]["name"]
            served = self.service.served.get(name)
            if served is None:
                await _unknown(scope, name).send(send)
                return
        await self.serve(served, scope, receive, send)

    async def serve(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to a tactic."""
        raise NotImplementedError


class _Info(_Named):
    async def serve(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        state_of(scope).tactic = served.name
        await json_reply(served.info.document()).send(send)


class _Calls(_Named):
    def __init__(
        self,
        service: Service,
        endpoint: str,
        answer: Callable[[Exchange], Awaitable[Reply | None]],
        only: Served | None = None,
    ) -> None:
        super().__init__(service, only)
        self.endpoint = endpoint
        self.answer = answer

    async def serve(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        await Exchange(self.service, served, self.endpoint, scope, receive, send).serve(self.answer)


def _unknown(scope: Scope, name: str) -> Reply:
    failure = Failure(404, "TacticNotFound", f"Tactic not found: {name}")
    state = state_of(scope)
    if state.accepts(b"application/problem+json"):
        return failure_reply(failure, state)
    error: dict[str, Any] = error_envelope(failure, name, None, None)
    return json_reply({"detail": {"error": error}}, status=404)

"""The FastAPI application of a service: the guard stands outside of everything, and calls take a short way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from lllm_serve.guard import Guard, GuardRules
from lllm_serve.tracing import SPANS

__all__ = ["ServiceApp"]


class ServiceApp(FastAPI):
    """A FastAPI application behind a guard.

    Middleware that is added to it stands inside of the guard.

    Args:
        rules: What the guard checks.
        **options: As for FastAPI.
    """

    def __init__(self, rules: GuardRules, **options: Any) -> None:
        super().__init__(**options)
        self.rules = rules
        self.calls: Mapping[str, ASGIApp] = {}
        self.around: Callable[[ASGIApp], ASGIApp] | None = None
        self._entry: ASGIApp | None = None

    def begin_with(self, calls: Mapping[str, ASGIApp], around: Callable[[ASGIApp], ASGIApp] | None) -> None:
        """Say what is called most, and what stands around the guard.

        Args:
            calls: Applications by the path of `POST` requests; each is mounted as a route as well.
            around: Wraps the guard in what must see even the requests that it refuses, such as rules for CORS.
        """
        self.calls = calls
        self.around = around

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._entry is None:
            self._entry = self._build()
        scope["app"] = self
        await self._entry(scope, receive, send)

    def _build(self) -> ASGIApp:
        inner: ASGIApp = super().__call__
        # Middleware that somebody added is for calls too; then they go through FastAPI like everything else.
        entry: ASGIApp = Guard(inner if self.user_middleware else _ShortWay(inner, self.calls), self.rules)
        return entry if self.around is None else self.around(entry)


class _ShortWay:
    """Hands the requests that matter for speed straight to their application.

    FastAPI's layers are for dependencies, exceptions of handlers and telemetry; calls of tactics need none of them.

    Args:
        app: Where everything else goes.
        calls: Applications by path.
    """

    def __init__(self, app: ASGIApp, calls: Mapping[str, ASGIApp]) -> None:
        self.app = app
        self.calls = calls

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        call = None
        if scope["type"] == "http" and scope["method"] == "POST" and not scope.get("root_path"):
            call = None if SPANS.recorded else self.calls.get(scope["path"])
        return (self.app if call is None else call)(scope, receive, send)

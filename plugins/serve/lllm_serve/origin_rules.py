"""Rules for web pages of other origins, and a way around them for what no page sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["OriginRules"]


class OriginRules:
    """Starlette's middleware for CORS, for requests that it can matter to.

    It takes as long as a call of a tactic, and a `POST` without an `Origin` comes from no page and into no cache.

    Args:
        app: The application behind it.
        options: Keyword arguments of `CORSMiddleware`.
    """

    def __init__(self, app: ASGIApp, options: Mapping[str, Any]) -> None:
        self._app = app
        self._rules = CORSMiddleware(app, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        plain = (
            scope["type"] == "http" and scope["method"] == "POST" and b"origin" not in dict(scope["headers"])
        )
        await (self._app if plain else self._rules)(scope, receive, send)

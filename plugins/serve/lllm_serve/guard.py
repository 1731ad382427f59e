"""The outermost layer of a service: who may call, from where, with how much, and what is logged about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from logging import INFO
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lllm_serve.access_log import access, log_access, log_failure
from lllm_serve.auth import Authenticator, BearerToken, authenticate
from lllm_serve.body import check_length, discard_body, limited
from lllm_serve.failures import Failure, Refusal
from lllm_serve.hosts import HostRule, OriginRule
from lllm_serve.public_info import json_form
from lllm_serve.replies import Reply, failure_reply, header_text
from lllm_serve.request_state import RequestState, has_state, state_of

__all__ = ["OPEN_PATHS", "Guard", "GuardRules"]

OPEN_PATHS = frozenset({"/health", "/ready"})
"""What answers without authentication."""


@dataclass(slots=True)
class GuardRules:
    """What a guard checks; the application may add to it while it is built.

    Args:
        hosts: Which Host headers are answered to.
        origins: Which web pages may call.
        authenticators: Rules of which one must recognise the caller; none: everybody may call.
        max_body_bytes: Largest body.
        open_paths: Paths that need no authentication.
        render: Makes the answer to a refused request of `(failure, state, path)`.
    """

    hosts: HostRule = field(default_factory=HostRule)
    origins: OriginRule = field(default_factory=OriginRule)
    authenticators: Sequence[Authenticator] = ()
    max_body_bytes: int = 16 * 1024 * 1024
    open_paths: frozenset[str] = OPEN_PATHS
    render: Callable[[Failure, RequestState, str], Reply] = lambda failure, state, path: failure_reply(
        failure, state
    )


class Guard:
    """Pure ASGI middleware: refuses what the rules refuse, counts bodies, logs, and names the request.

    Args:
        app: The application behind it.
        rules: What to check.
    """

    def __init__(self, app: ASGIApp, rules: GuardRules) -> None:
        self.app = app
        self.rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan" or has_state(scope):
            await self.app(scope, receive, send)
            return
        state, rules = state_of(scope), self.rules
        if scope["type"] != "http":
            await self._websocket(scope, receive, send, state)
            return
        send = _noting(send, state)
        try:
            try:
                self._check(scope, state)
                if rules.authenticators and route_path(scope) not in rules.open_paths:
                    first = rules.authenticators[0]
                    if isinstance(first, BearerToken) and first.recognises(state):
                        state.principal = first.principal
                    else:
                        state.principal = await self._authenticate(scope, state)
                if not check_length(state, rules.max_body_bytes):
                    receive = limited(receive, rules.max_body_bytes)
            except HTTPException as refusal:
                await discard_body(receive, state)
                await self._refuse(refusal, scope, state, send)
            else:
                await self.app(scope, receive, send)
        finally:
            if access.isEnabledFor(INFO):
                log_access(scope, state)

    def _check(self, scope: Scope, state: RequestState) -> None:
        """Refuse what comes under a wrong name or from a foreign page."""
        rules, headers = self.rules, state.headers
        if not rules.hosts.allows(headers.get(b"host"), scope.get("server")):
            raise Refusal(403, "Forbidden", "This service does not answer to that Host; see `allowed_hosts`.")
        if (b"origin" in headers or b"sec-fetch-site" in headers) and not rules.origins.allows(
            scope.get("method", "GET"), headers
        ):
            raise Refusal(
                403, "Forbidden", "Web pages of that origin may not call this service; see the option `cors`."
            )

    async def _authenticate(self, scope: Scope, state: RequestState) -> str:
        try:
            return await authenticate(self.rules.authenticators, scope, state)
        except HTTPException:
            raise
        except Exception as error:
            log_failure(state, error)
            raise Refusal(500, type(error).__name__, "The caller could not be authenticated.") from error

    async def _refuse(self, refusal: HTTPException, scope: Scope, state: RequestState, send: Send) -> None:
        reply = self.rules.render(failure_of(refusal), state, route_path(scope))
        await reply.send(send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, state: RequestState) -> None:
        try:
            self._check(scope, state)
            if self.rules.authenticators:
                state.principal = await self._authenticate(scope, state)
        except HTTPException:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        else:
            await self.app(scope, receive, send)


def failure_of(error: HTTPException) -> Failure:
    """Return what an `HTTPException` tells the caller.

    Args:
        error: A refusal, or an exception of the framework's own kind.
    """
    if isinstance(error, Refusal):
        return error.failure
    status = error.status_code
    detail: object = error.detail
    if not 200 <= status <= 599:
        return Failure(
            500, type(error).__name__, f"The tactic answered with {status!r}, which is no HTTP status."
        )
    text = detail if isinstance(detail, str) else type(error).__name__
    metadata: dict[str, Any] = {} if isinstance(detail, str) else {"detail": json_form(detail)[0]}
    kind = {401: "Unauthorized", 403: "Forbidden"}.get(status, type(error).__name__)
    return Failure(status, kind, text, dict(error.headers or {}), metadata)


def route_path(scope: Scope) -> str:
    """Return the path of a request below the place where the application is mounted.

    Args:
        scope: The ASGI scope.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :]
    return path


_LONGEST_ID = 1024
"""A caller may choose any id; clients and proxies refuse answers with longer headers than a few thousand bytes."""


def _noting(send: Send, state: RequestState) -> Send:
    """Return a `send` that notes the status and adds the id of the request to the headers."""

    def noted(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            state.status = message["status"]
            request_id = header_text(state.request_id)
            if request_id is not None and len(request_id) <= _LONGEST_ID:
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
        return send(message)

    return noted

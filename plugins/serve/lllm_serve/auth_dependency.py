"""FastAPI dependencies as authentication: FastAPI itself resolves what they ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI, Request
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.types import Message, Scope

from lllm_serve.auth import Authenticator, principal_name
from lllm_serve.request_state import RequestState

__all__ = ["dependency_authenticator"]

_ANSWER = "lllm_principal"


def dependency_authenticator(dependency: Callable[..., Any]) -> Authenticator:
    """Return the rule that a FastAPI dependency stands for; it refuses by raising.

    The dependency sees method, path, query, headers and cookies of the request, and no body.

    Args:
        dependency: A function whose parameters FastAPI can fill.
    """
    gate = FastAPI(openapi_url=None)

    async def passed(request: Request, answer: Any = Depends(dependency)) -> None:  # noqa: B008  # FastAPI's way
        request.scope[_ANSWER] = answer

    gate.add_api_route(
        "/{path:path}", passed, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
    )

    async def authenticate(scope: Scope, state: RequestState) -> str | None:
        inner = {key: value for key, value in scope.items() if key not in _OUTER}
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await gate(inner, _no_body, send)
        _raise_refusal(sent)
        answer = inner.get(_ANSWER)
        return None if answer is False else principal_name(answer)

    return authenticate


_OUTER = frozenset({"app", "router", "route", "endpoint", "path_params"})


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _raise_refusal(sent: list[Message]) -> None:
    """Raise what the dependency refused with: the status, headers and detail of FastAPI's answer."""
    start = sent[0]
    if start["status"] < 400:
        return
    body = b"".join(message.get("body", b"") for message in sent[1:])
    try:
        answer = from_json(body)
        detail = answer.get("detail") if isinstance(answer, dict) else answer
    except ValueError:
        detail = body.decode("utf-8", "replace")
    dropped = {b"content-length", b"content-type"}
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in start["headers"]
        if name.lower() not in dropped
    }
    raise HTTPException(start["status"], detail, headers)

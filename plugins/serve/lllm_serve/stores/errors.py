"""Errors of a served store as HTTP answers, each with the same two keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from lllm import errors
from lllm_serve.body import CallerGone
from lllm_serve.failures import Failure, Refusal
from lllm_serve.replies import Reply
from lllm_serve.request_state import RequestState

__all__ = ["CustomRoute", "StoreRoute", "envelope", "error_answer", "refusal_reply"]

logger = logging.getLogger("lllm.serve.stores")

_STATUS: Mapping[type[Exception], int] = {
    errors.ChannelNotFoundError: 404,
    errors.EventNotFoundError: 404,
    errors.SubscriptionNotFoundError: 404,
    errors.ArtifactNotFoundError: 404,
    errors.SnapshotNotFoundError: 404,
    errors.ChannelExistsError: 409,
    errors.SubscriptionExistsError: 409,
    errors.EventConflictError: 409,
    errors.LeaseLostError: 409,
    errors.SnapshotConflictError: 409,
    errors.StoreBusyError: 503,
    errors.StoreClosedError: 503,
    errors.ArtifactCorruptError: 500,
}


def envelope(kind: str, message: str) -> dict[str, Any]:
    """Return the body of a failed request.

    Args:
        kind: Class name of the error, or a word such as `Forbidden`.
        message: Its text.
    """
    return {"detail": {"error": {"type": kind, "message": message}}}


def _answer(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    content = to_json(envelope(kind, message))
    return Response(content, status, media_type="application/json", headers=dict(headers or {}))


def error_answer(error: Exception) -> Response:
    """Return the answer to a request that failed with an exception.

    Args:
        error: What the store, the validation or a custom endpoint raised.
    """
    if isinstance(error, errors.SSSNError):
        status = next((_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS), 400)
        headers = {"Retry-After": "1"} if status == 503 else None
        return _answer(status, _kind_of(error), str(error), headers)
    if isinstance(error, RequestValidationError):
        return _answer(400, "InvalidPayloadError", _validation_text(error))
    if isinstance(error, Refusal):
        return _answer(error.failure.status, error.failure.type, error.failure.message, error.failure.headers)
    logger.error("a request to the store failed", exc_info=error)
    return _answer(500, type(error).__name__, "Internal server error")


def _kind_of(error: errors.SSSNError) -> str:
    """Return the public name of an error: subclasses with names of their own stand for what they are."""
    for cls in type(error).__mro__:
        if cls.__name__ in errors.__all__:
            return cls.__name__
    return type(error).__name__


def _validation_text(error: RequestValidationError) -> str:
    return "; ".join(_one_text(item) for item in error.errors())


def _one_text(item: Mapping[str, Any]) -> str:
    place = [str(part) for part in item["loc"] if part != "body"]
    message: str = item["msg"]
    # The texts of our own checks name the field themselves.
    if not place or message.startswith("Value error, "):
        return message
    return f"{'.'.join(place)}: {message}"


def refusal_reply(failure: Failure, state: RequestState, path: str) -> Reply:
    """Return the answer to a request that the guard refused.

    Args:
        failure: What is wrong.
        state: The notes on the request.
        path: Its path.
    """
    headers = [(name.lower().encode(), value.encode()) for name, value in failure.headers.items()]
    return Reply(failure.status, (to_json(envelope(failure.type, failure.message)),), headers=headers)


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StoreRoute(APIRoute):
    """A built-in route: whatever goes wrong is told in the envelope of the store."""

    def get_route_handler(self) -> Handler:
        """Return the handler with its errors caught."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except CallerGone:
                raise
            except HTTPException as error:
                if isinstance(error, Refusal):
                    return error_answer(error)
                # FastAPI could not read the body at all.
                return _answer(error.status_code, "InvalidPayloadError", str(error.detail))
            except Exception as error:
                return error_answer(error)

        return answered


class CustomRoute(APIRoute):
    """A custom endpoint: its own `HTTPException`s pass as they are."""

    def get_route_handler(self) -> Handler:
        """Return the handler with its errors caught."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except HTTPException as error:
                if isinstance(error, Refusal):
                    return error_answer(error)
                raise
            except Exception as error:
                return error_answer(error)

        return answered

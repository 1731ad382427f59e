"""Complete answers as bytes, and how they are sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.types import Send

from lllm.names import check_token
from lllm_serve.failures import Failure
from lllm_serve.request_state import RequestState

__all__ = [
    "JSON",
    "Reply",
    "error_envelope",
    "failure_reply",
    "header_text",
    "json_reply",
    "problem_document",
]

JSON = b"application/json"
PROBLEM = b"application/problem+json"

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Reply:
    """A complete answer.

    Args:
        status: HTTP status.
        parts: The body, in pieces that are sent one after the other without being joined.
        media_type: Value of `Content-Type`.
        headers: Further headers, names in lower case.
    """

    status: int
    parts: tuple[bytes, ...]
    media_type: bytes = JSON
    headers: list[Header] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.parts)

    async def send(self, send: Send) -> None:
        """Send the answer.

        Args:
            send: The ASGI function of the request.
        """
        if self.status in _BODILESS:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            await send({"type": "http.response.body", "body": b""})
            return
        parts = self.parts
        length = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
        if len(parts) > 1 and length <= _JOINED:
            parts = (self.body,)
        headers = [(b"content-type", self.media_type), (b"content-length", b"%d" % length), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for part in parts[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": parts[-1]})


_JOINED = 65_536
_BODILESS = frozenset({204, 205, 304})


def header_text(text: str) -> bytes | None:
    """Return a text as the value of a header, or None when it has characters that no header may hold.

    Args:
        text: Any text.
    """
    return text.encode() if text.isascii() and text.isprintable() else None


def encoded_headers(headers: Mapping[str, str]) -> list[Header]:
    """Return headers as ASGI takes them; one that cannot be sent is left out.

    Args:
        headers: Names to values.
    """
    pairs = ((str(name).lower(), header_text(str(value))) for name, value in headers.items())
    return [(name.encode(), value) for name, value in pairs if value is not None and _HEADER.fullmatch(name)]


_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
"""What a name in lower case may be: a token of RFC 9110."""


def json_reply(value: Any, *, status: int = 200, headers: Iterable[Header] = ()) -> Reply:
    """Return an answer with a JSON body.

    Args:
        value: What pydantic can encode.
        status: HTTP status.
        headers: Further headers.
    """
    return Reply(status, (to_json(value, by_alias=True),), headers=list(headers))


def failure_reply(failure: Failure, state: RequestState, *, named: bool = True) -> Reply:
    """Return the answer that tells a caller what went wrong, in the form that it accepts.

    Args:
        failure: What went wrong.
        state: The notes on the request.
        named: Say which tactic, endpoint and request it was; otherwise these are null.
    """
    if state.accepts(PROBLEM):
        document = problem_document(failure, state.request_id)
        return Reply(failure.status, (to_json(document),), PROBLEM, encoded_headers(failure.headers))
    place = (state.tactic, state.endpoint, state.request_id) if named else (None, None, None)
    return json_reply(
        {"detail": {"error": error_envelope(failure, *place)}},
        status=failure.status,
        headers=encoded_headers(failure.headers),
    )


def error_envelope(
    failure: Failure, tactic: str | None, endpoint: str | None, request_id: str | None
) -> dict[str, Any]:
    """Return the error of the protocol: exactly six keys.

    Args:
        failure: What went wrong.
        tactic: Name of the tactic.
        endpoint: Name of the endpoint.
        request_id: Id of the request.
    """
    return {
        "type": type_token(failure.type),
        "message": encodable(failure.message),
        "tactic": tactic,
        "endpoint": endpoint,
        "request_id": request_id,
        "metadata": dict(failure.metadata),
    }


def problem_document(failure: Failure, request_id: str) -> dict[str, Any]:
    """Return the error as RFC 9457 describes it.

    Args:
        failure: What went wrong.
        request_id: Id of the request.
    """
    code = type_token(failure.type)
    document: dict[str, Any] = {
        "type": f"urn:lllm:error:{code}",
        "title": _phrase(failure.status),
        "status": failure.status,
        "detail": encodable(failure.message),
        "code": code,
        "request_id": request_id,
        "retryable": failure.retryable,
    }
    if failure.errors:
        document["errors"] = [dict(error) for error in failure.errors]
    if failure.metadata:
        document["metadata"] = dict(failure.metadata)
    return document


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def type_token(text: str) -> str:
    """Return the name of an error type as a token; classes may be called anything.

    Args:
        text: Name of a class.
    """
    try:
        return check_token(text, "type")
    except ValueError:
        return "Error"


def encodable(text: str) -> str:
    """Return a text without lone surrogates, which UTF-8 cannot say.

    Args:
        text: Any text.
    """
    return text.encode("utf-8", "replace").decode()

"""What the clients make of an answer: a result, or `SSSNClientError`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lllm_store_http.answers import InvalidAnswer, body_of, read_answer
from lllm_store_http.artifact_content import Window, hash_of
from lllm_store_http.errors import error_parts
from lllm_store_http.requests import Call
from sssn.errors import SSSNClientError

if TYPE_CHECKING:
    import httpx

__all__ = ["answer", "is_route_missing", "response_error", "verified_content"]

T = TypeVar("T")


def response_error(response: httpx.Response) -> SSSNClientError:
    """Return the error for an answer with an error status.

    Args:
        response: The answer, read to its end.
    """
    body = body_of(response)
    kind, message = error_parts(body)
    return SSSNClientError(response.status_code, error_type=kind, message=message, detail=body)


def answer(call: Call[T], response: httpx.Response) -> T:
    """Return the result of a call from its successful answer.

    Args:
        call: The call.
        response: The answer, read to its end.

    Raises:
        SSSNClientError: It is not JSON, or not of the shape that the route promises.
    """
    try:
        return read_answer(call, response)
    except InvalidAnswer as error:
        raise SSSNClientError(
            response.status_code, error_type="InvalidResponse", message=str(error), detail=error.body
        ) from error


def is_route_missing(error: SSSNClientError) -> bool:
    """Tell whether the server does not have the route, rather than the resource.

    Args:
        error: The error.
    """
    return error.status_code in {404, 405} and error.error_type is None


def verified_content(artifact_id: str, response: httpx.Response) -> bytes:
    """Return the bytes of an artifact, compared with the hash that the server sends, if it does.

    Args:
        artifact_id: Id of the artifact, for the error.
        response: The answer, read to its end.

    Raises:
        ArtifactCorruptError: The bytes do not have that hash.
    """
    window = Window(artifact_id, 0, None)
    content = window.take(response.content)
    window.verify(hash_of(response.headers.get("etag")), None)
    return content

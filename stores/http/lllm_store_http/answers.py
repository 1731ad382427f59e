"""From the bytes of an answer to the result of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from lllm.errors import SSSNError
from lllm_store_http.errors import store_error
from lllm_store_http.requests import Call, nothing

if TYPE_CHECKING:
    import httpx

__all__ = ["InvalidAnswer", "body_of", "read_answer", "store_answer"]

T = TypeVar("T")


class InvalidAnswer(Exception):
    """An answer is not what its route promises.

    Args:
        message: Which route, and what is wrong.
        body: The parsed JSON, or the text when it is none.
    """

    def __init__(self, message: str, body: Any) -> None:
        super().__init__(message)
        self.body = body


def body_of(response: httpx.Response) -> Any:
    """Return the parsed JSON of an answer, its text when it is no JSON, None when there is none.

    Args:
        response: The answer, read to its end.
    """
    try:
        return response.json()
    except (ValueError, RecursionError):
        return response.text or None


def read_answer(call: Call[T], response: httpx.Response) -> T:
    """Return the result of a call from its answer.

    Args:
        call: The call.
        response: Its successful answer, read to its end.

    Raises:
        InvalidAnswer: The answer is not JSON, or not of the shape that the route promises.
    """
    route = f"SSSN {call.method} {call.template} response"
    try:
        # An answer that says nothing but success may have no body at all.
        body = None if call.read is nothing else response.json()
    except (ValueError, RecursionError) as error:
        raise InvalidAnswer(f"{route} was not valid JSON.", response.text) from error
    try:
        return call.read(body)
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidAnswer(f"{route} did not match the expected schema.", body) from error


def store_answer(call: Call[T], response: httpx.Response) -> T:
    """Return the result of a call, or raise what a local store would have raised.

    Args:
        call: The call.
        response: Its answer, read to its end.

    Raises:
        SSSNError: The answer is an error, or not what the route promises.
    """
    if response.status_code >= 400:
        request = f"{call.method} {call.template}"
        raise store_error(response.status_code, body_of(response), request=request)
    try:
        return read_answer(call, response)
    except InvalidAnswer as error:
        raise SSSNError(str(error)) from error

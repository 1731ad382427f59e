"""One request of the served API as a plain record, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from lllm.errors import InvalidPayloadError

__all__ = ["NO_BODY", "Call", "fill", "inside", "items_of", "nothing", "reader"]

T = TypeVar("T")

NO_BODY: Any = object()
"""Says that a request has no JSON body; None would be the body `null`."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request: what is sent, and how the JSON of the answer becomes a result.

    Args:
        method: HTTP method.
        path: Path with the names filled in, percent-encoded.
        template: Path with `{...}` in place of the names, for errors.
        read: Makes the result from the parsed JSON; any ValueError, TypeError or KeyError says that the
            answer is not what the route promises.
        params: Query; values that are None are not sent.
        json: JSON body, or `NO_BODY`.
        content: Raw body: bytes or an iterable of bytes, of the kind that the client can send; or `NO_BODY`.
        content_type: Media type of the raw body.
        repeatable: Sending it twice has the effect of sending it once.
        waits: How long the server may wait before it answers, in seconds.
    """

    method: str
    path: str
    template: str
    read: Callable[[Any], T]
    params: Mapping[str, Any] | None = None
    json: Any = NO_BODY
    content: Any = NO_BODY
    content_type: str = "application/octet-stream"
    repeatable: bool = False
    waits: float = 0.0

    def options(self, timeout: float | None) -> dict[str, Any]:
        """Return the keyword arguments of the request, each only when there is something to say.

        Args:
            timeout: Longest wait for the server, to which its own waiting is added.
        """
        options: dict[str, Any] = {}
        if self.waits and timeout is not None:
            options["timeout"] = timeout + self.waits
        if self.params is not None:
            params = {key: value for key, value in self.params.items() if value is not None}
            if params:
                options["params"] = params
        if self.json is not NO_BODY:
            options["json"] = self.json
        if self.content is not NO_BODY:
            options["content"] = self.content
            options["headers"] = {"Content-Type": self.content_type}
        return options


def fill(template: str, *names: str) -> str:
    """Fill names into the path of a route, percent-encoded.

    Args:
        template: Path with one `{...}` for each name.
        names: The names.

    Raises:
        InvalidPayloadError: A name holds a lone surrogate, which no URL can carry.
    """
    parts = template.split("/")
    values = iter(names)
    try:
        return "/".join(quote(next(values), safe="") if part.startswith("{") else part for part in parts)
    except UnicodeEncodeError as error:
        raise InvalidPayloadError("a name in a URL must not hold a lone surrogate.") from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def reader(kind: Any) -> Callable[[Any], Any]:
    """Return a function that turns parsed JSON into a value of a type.

    Args:
        kind: A model, or any type that pydantic can validate.
    """

    def read(value: Any) -> Any:
        # Built at the first answer, not at import: most processes use a few of the routes.
        return _adapter(kind).validate_python(value)

    return read


def inside(key: str, read: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return a function that reads the value under a key of a JSON object.

    Args:
        key: The key.
        read: Reads the value.
    """
    return lambda body: read(body[key])


def items_of(key: str, read: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return a function that reads a list, bare or under a key of a JSON object.

    Args:
        key: The key.
        read: Reads the list.
    """
    return lambda body: read(body[key] if isinstance(body, dict) else body)


def nothing(body: Any) -> None:
    """Read an answer that says nothing but success.

    Args:
        body: The parsed JSON, which is not looked at.
    """

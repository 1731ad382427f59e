"""Headers that callers give, checked before the HTTP library sees them: its errors would repeat a credential."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

__all__ = ["authorization", "check_header"]


def authorization(auth: str | tuple[str, str] | Callable[[], str]) -> str:
    """Return the `Authorization` header of a credential.

    Args:
        auth: A bearer token, a pair of user and password, or a function that returns a bearer token.

    Raises:
        ValueError: The token cannot stand in a header; it is not repeated.
        TypeError: The token is not a str.
    """
    if isinstance(auth, tuple):
        user, password = auth
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    return f"Bearer {check_header(auth() if callable(auth) else auth, 'authorization')}"


def check_header(value: Any, name: str) -> str:
    """Return the value of a header.

    Args:
        value: Anything.
        name: Name of the header, for the error.

    Raises:
        ValueError: It cannot stand in a header; it is not repeated.
        TypeError: It is not a str.
    """
    if not isinstance(value, str):
        raise TypeError(f"headers: the value of `{name}` must be a string, not {type(value).__name__}.")
    if not (value.isascii() and value.isprintable() and value == value.strip()):
        raise ValueError(
            f"headers: the value of `{name}` must be printable ASCII without white space around it."
        )
    return value

"""Values that the commands read from their arguments, from files and from stdin."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

__all__ = ["given", "json_object", "json_value", "open_input", "read_text"]

STDIN = "-"


def given(args: Namespace, *names: str) -> dict[str, Any]:
    """Return the named arguments that were given.

    Args:
        args: The parsed arguments.
        names: Destinations; an argument that is None or an empty list counts as not given.
    """
    values = {name: getattr(args, name) for name in names}
    return {name: value for name, value in values.items() if value is not None and value != []}


def json_value(text: str, label: str) -> Any:
    """Parse a JSON text.

    Args:
        text: The text.
        label: What the value is, for the error.

    Raises:
        ValueError: It is not JSON; NaN and Infinity are not.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{label} must be valid JSON: {error}") from error


def json_object(text: str | None, label: str) -> dict[str, Any] | None:
    """Parse the text of a JSON object; None stays None.

    Args:
        text: The text, or None when the option was not given.
        label: Name of the option, for the error.

    Raises:
        ValueError: It is not JSON, or not an object.
    """
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{label} must be a valid JSON object: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{label} must be a JSON object")  # noqa: TRY004 - it is the user's text
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def read_text(argument: str, label: str) -> str:
    """Return an argument, or the text on stdin when the argument is `-`.

    Args:
        argument: The argument.
        label: What the text is, for the error.

    Raises:
        ValueError: Stdin is not UTF-8.
    """
    if argument != STDIN:
        return argument
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{label} on stdin must be UTF-8 text") from error


@contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """Open a file for reading; `-` is stdin.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """
    if path == STDIN:
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as file:
        yield file

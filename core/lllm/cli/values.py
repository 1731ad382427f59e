"""Values on their way through the command line: JSON in, JSON out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from pydantic_core import PydanticSerializationError, to_json

__all__ = ["json_text", "read_value"]


def read_value(argument: str | None, *, plain: bool = False) -> Any:
    """Read the input of a tactic.

    Args:
        argument: The value itself, `-` for stdin, `@FILE` for a file, or None for no input.
        plain: Take it as text instead of JSON.

    Raises:
        click.UsageError: The file cannot be read, or it is not JSON; the text says where.
    """
    if argument is None:
        return None
    text, origin = _read_text(argument)
    if plain:
        return text
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise click.UsageError(f"{origin} is not JSON: it nests too deeply.") from None
    except json.JSONDecodeError as error:
        raise click.UsageError(f"{origin} is not JSON: {error}{_hint(argument, text)}.") from None
    except ValueError as error:
        # Python's own words about a limit on digits speak of a setting of the interpreter.
        reason = "a number has too many digits" if "digits" in str(error) else error
        raise click.UsageError(f"{origin} is not JSON: {reason}.") from None


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Write a value as JSON, the way services encode outputs: by alias, sets as lists, times as ISO text.

    Args:
        value: Anything.
        indent: Spaces of indentation; None writes one line.

    Raises:
        ValueError: The value has no JSON form; the text names its type.
    """
    try:
        return to_json(value, indent=indent, by_alias=True).decode()
    except (PydanticSerializationError, RecursionError) as error:
        raise ValueError(f"A {type(value).__name__} cannot be shown as JSON: {error}") from error


def _hint(argument: str, text: str) -> str:
    """Return what the user may have meant by something that is not JSON."""
    if argument[:1] not in {"-", "@"} and os.path.lexists(argument):
        return f"; to read that file, write @{argument}"
    return "" if text.lstrip()[:1] in {"{", "["} else """; write a text as '"text"', or give --text"""


def _read_text(argument: str) -> tuple[str, str]:
    if argument == "-":
        if sys.stdin is None:
            raise click.UsageError("INPUT from stdin cannot be read: stdin is closed.")
        data, origin = sys.stdin.buffer.read(), "INPUT from stdin"
    elif argument.startswith("@"):
        origin = f"INPUT from `{argument[1:]}`"
        try:
            data = Path(argument[1:]).read_bytes()
        except OSError as error:
            raise click.UsageError(f"{origin} cannot be read: {error.strerror}.") from None
    else:
        return argument, "INPUT"
    try:
        return data.decode("utf-8-sig"), origin
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{origin} is not UTF-8: {error.reason} at byte {error.start}.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")

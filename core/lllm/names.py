"""Rules for names and for string-keyed maps, and copies of what crosses the boundary.

Nothing here imports pydantic, so that the plugin host and the command line stay quick to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

__all__ = [
    "check_examples",
    "check_flag",
    "check_metadata",
    "check_segment",
    "check_string_keys",
    "check_text",
    "check_token",
    "copy_boundary",
]

_FORBIDDEN = frozenset("/:\\;%")
_IMMUTABLE = (str, int, float, bool, type(None), bytes)


def check_text(value: object, label: str) -> str:
    """Return `value` when it is a string.

    Args:
        value: Anything; bytes are never decoded.
        label: Name of the field, for the error.

    Raises:
        TypeError: `value` is not a `str`.
    """
    if not isinstance(value, str):
        raise TypeError(f"{label} must be a string.")
    return value


def check_segment(value: object, label: str) -> str:
    """Return `value` when it can be one segment of a path, as tactic names must.

    Inner spaces and most punctuation are legal, because names are shown to people.

    Args:
        value: Anything.
        label: Name of the field, for the error.

    Raises:
        TypeError: `value` is not a `str`.
        ValueError: It is blank, `.` or `..`, or contains a slash, colon, backslash, semicolon or percent sign.
    """
    text = check_text(value, label)
    if not text.strip() or text in {".", ".."} or not _FORBIDDEN.isdisjoint(text):
        raise ValueError(f"{label} must be a non-empty name without percent escapes or path separators.")
    return text


def check_token(value: object, label: str) -> str:
    """Return `value` when it is a token: a path segment without any white space.

    Args:
        value: Anything.
        label: Name of the field, for the error.

    Raises:
        TypeError: `value` is not a `str`.
        ValueError: It is not a path segment, or holds a character for which `str.isspace()` is true.
    """
    text = check_text(value, label)
    # `split()` cuts at exactly the characters for which `isspace()` holds.
    if text in {".", ".."} or not _FORBIDDEN.isdisjoint(text) or text.split() != [text]:
        raise ValueError(
            f"{label} must be a non-empty token without whitespace, percent escapes, or path separators."
        )
    return text


def check_flag(value: object, label: str) -> bool:
    """Return `value` when it is a real `bool`; 0, 1 and `"true"` are refused.

    Args:
        value: Anything.
        label: Name of the flag, for the error.

    Raises:
        TypeError: `value` is not a `bool`.
    """
    if value is True or value is False:
        return value
    raise TypeError(f"{label} must be a boolean.")


def copy_boundary(value: Any, *, lenient: bool = False) -> Any:
    """Copy a value that crosses the boundary.

    Any mapping becomes a `dict`; lists, tuples, sets and frozensets are rebuilt; everything else is
    deep-copied.

    Args:
        value: The value to copy.
        lenient: Keep a leaf that cannot be copied instead of raising.

    Raises:
        TypeError: A leaf cannot be copied.
        ValueError: The value nests too deeply, or contains itself.
    """
    try:
        return _copy(value, lenient)
    except RecursionError:
        raise ValueError("value nests too deeply to be copied, or contains itself.") from None


def _copy(value: Any, lenient: bool) -> Any:
    if isinstance(value, _IMMUTABLE):
        return value
    if isinstance(value, Mapping):
        return {_copy(key, lenient): _copy(item, lenient) for key, item in value.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(_copy(item, lenient) for item in value)
    try:
        return deepcopy(value)
    except RecursionError:
        raise
    except Exception as error:
        if lenient:
            return value
        raise TypeError(f"a value of type {type(value).__name__} cannot be copied: {error}") from error


def check_string_keys(value: Any, label: str) -> None:
    """Check that every key of `value` is a string, through maps, lists, tuples and sets.

    Args:
        value: Anything.
        label: Name of the field, for the error.

    Raises:
        TypeError: A key is not a `str`.
        ValueError: The value nests too deeply, or contains itself.
    """
    try:
        _walk_keys(value, label)
    except RecursionError:
        raise ValueError(f"{label} nests too deeply, or contains itself.") from None


def _walk_keys(value: Any, label: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{label} keys must be strings.")
            _walk_keys(item, label)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            _walk_keys(item, label)


def check_metadata(value: object, label: str = "metadata") -> dict[str, Any]:
    """Return an owned copy of a string-keyed map; None means an empty one.

    Args:
        value: A mapping of any kind, or None.
        label: Name of the field, for the error.

    Raises:
        TypeError: `value` is not a mapping, a key at any depth is not a string, or a leaf cannot be copied.
        ValueError: It nests too deeply, or contains itself.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{label} must be a mapping.")
    if not value:
        return {}
    check_string_keys(value, label)
    try:
        copied: dict[str, Any] = copy_boundary(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{label}: {error}") from error
    return copied


def check_examples(value: object, label: str = "examples") -> list[dict[str, Any]]:
    """Return an owned copy of a list of string-keyed maps; None means an empty one.

    Args:
        value: A list of mappings, or None.
        label: Name of the field, for the error.

    Raises:
        TypeError: `value` is not a list of mappings, or a key at any depth is not a string.
        ValueError: It nests too deeply, or contains itself.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise TypeError(f"{label} must be a list of mappings.")
    return [check_metadata(item, label) for item in value]

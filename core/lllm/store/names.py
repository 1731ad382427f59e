"""The name rule of stores: what may name a channel, an event, a subscription, an artifact or a snapshot.

"Segment" and "token" are one predicate with two messages. Writing is stricter than reading, so that
records of older stores stay readable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lllm.errors import InvalidPayloadError

__all__ = [
    "MAX_NAME_LENGTH",
    "is_name",
    "is_new_name",
    "known_name",
    "require_segment",
    "require_segments",
    "require_token",
    "segment_text",
    "segments_text",
    "token_text",
]

MAX_NAME_LENGTH = 512
"""Longest name that can be written, in characters."""

_PLAIN = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,511}")
_NAME = re.compile(r"(?!\.{1,2}\Z)[^\s/:\\%]+")
_NEW_NAME = re.compile(r"(?!\.{1,2}\Z)[^\s/:\\%;\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,512}")


def is_name(value: object) -> bool:
    """Tell whether `value` may name something that is read.

    Args:
        value: Anything.
    """
    return isinstance(value, str) and (
        _PLAIN.fullmatch(value) is not None or _NAME.fullmatch(value) is not None
    )


def is_new_name(value: object) -> bool:
    """Tell whether `value` may name something that is written.

    Beyond `is_name`, `;`, control characters, lone surrogates and more than 512 characters are refused.

    Args:
        value: Anything.
    """
    return isinstance(value, str) and (
        _PLAIN.fullmatch(value) is not None or _NEW_NAME.fullmatch(value) is not None
    )


known_name = lru_cache(maxsize=4096)(is_new_name)
"""`is_new_name` with a memory, for names that repeat (channels and kinds); the value must be hashable."""


def segment_text(field: str) -> str:
    """Return the message for a name that is not a path segment.

    Args:
        field: Qualified name of the field, such as `event.id`.
    """
    return f"{field} must be a non-empty path segment."


def segments_text(field: str) -> str:
    """Return the message for a collection that does not hold path segments.

    Args:
        field: Qualified name of the field, such as `event.parent_ids`.
    """
    return f"{field} must be a list of path segments."


def token_text(field: str) -> str:
    """Return the message for a value that is not a token.

    Args:
        field: Qualified name of the field, such as `event.kind`.
    """
    return f"{field} must be a non-empty token."


def require_segment(value: object, field: str, *, new: bool = False) -> str:
    """Return `value` when it is a path segment.

    Args:
        value: Anything.
        field: Qualified name of the field, for the error.
        new: Whether the name is about to be written, where the rule is stricter.

    Raises:
        InvalidPayloadError: It is not.
    """
    if isinstance(value, str) and (is_new_name(value) if new else is_name(value)):
        return value
    raise InvalidPayloadError(segment_text(field))


def require_token(value: object, field: str, *, new: bool = False) -> str:
    """Return `value` when it is a token.

    Args:
        value: Anything.
        field: Qualified name of the field, for the error.
        new: Whether the token is about to be written, where the rule is stricter.

    Raises:
        InvalidPayloadError: It is not.
    """
    if isinstance(value, str) and (is_new_name(value) if new else is_name(value)):
        return value
    raise InvalidPayloadError(token_text(field))


def require_segments(value: Any, field: str, *, new: bool = False) -> tuple[str, ...]:
    """Return the path segments that `value` holds, in its order.

    Args:
        value: An iterable that is neither a string, bytes nor a mapping.
        field: Qualified name of the field, for the error.
        new: Whether the names are about to be written, where the rule is stricter.

    Raises:
        InvalidPayloadError: It is no such iterable, or an item is not a path segment.
    """
    if value is None or isinstance(value, (str, bytes, bytearray, memoryview, Mapping)):
        raise InvalidPayloadError(segments_text(field))
    try:
        items = tuple(value)
    except TypeError as error:
        raise InvalidPayloadError(segments_text(field)) from error
    if all(is_new_name(item) if new else is_name(item) for item in items):
        return items
    raise InvalidPayloadError(segments_text(field))

"""Making JSON of anything: a record with a strange value in it is worth more than none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from enum import Enum
from math import isfinite
from typing import Any

from pydantic import BaseModel

from lllm.secrets import mask_secrets

__all__ = ["as_text", "plain", "plain_json"]

_DEEPEST = 100
"""Levels that are kept; what lies deeper is written as text."""


def as_text(value: Any) -> str:
    """Return a value that JSON does not know as text.

    Args:
        value: The value; one that cannot even be shown is told by its type.
    """
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return mask_secrets(text)


def plain_json(value: Any) -> str:
    """Return the JSON text of a value, whatever it holds.

    Args:
        value: Anything.
    """
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Return a value as maps, lists, texts and numbers that JSON knows.

    Cycles, what is nested too deep, and what JSON does not know become text; characters that UTF-8 does not know
    become question marks.

    Args:
        value: Anything.
    """
    return _plain(value, ())


def _plain(value: Any, around: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str, bytes, bytearray, Enum)):
        return _single(value)
    if id(value) in around:
        return f"<the {type(value).__name__} around this>"
    if len(around) >= _DEEPEST:
        return f"<a {type(value).__name__}, nested too deep>"
    return _container(value, (*around, id(value)))


def _container(value: Any, inside: tuple[int, ...]) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {name: _plain(getattr(value, name), inside) for name in fields if not fields[name].exclude}
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, inside) for key, item in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [_plain(item, inside) for item in value]
    return _single(as_text(value))


def _key(value: Any) -> Any:
    return _single(value if isinstance(value, str) else as_text(value))


def _single(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, ())
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return str(value) if isinstance(value, float) and not isfinite(value) else value

"""JSON as stores keep it: one text for one value, and nothing lost on the way.

Values become their JSON form first (what a later read returns), then canonical text: sorted keys, ASCII
escapes, no blanks. Ordinary payloads take a short path; anything else (dates, models, sets, keys that
are not strings) goes through pydantic's JSON mode, leaf by leaf, so that no key is lost.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from lllm.errors import InvalidPayloadError

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "canonical_json",
    "decode_json",
    "json_form",
    "plain_text",
    "record_text",
]

MAX_DEPTH = 200
"""How deep lists and objects may nest."""

MAX_INTEGER = 2**63 - 1
"""Largest integer that a store keeps; the smallest is its negative minus one."""

_MIN_INTEGER = -(2**63)
_SEQUENCES = (list, tuple, deque)


class _Unplain(Exception):
    """The value needs the long path."""


def json_form(value: Any) -> Any:
    """Return an owned copy of `value` as a later read would return it.

    Args:
        value: Anything.

    Returns:
        Dictionaries with string keys in sorted order, lists, strings, integers, finite floats,
        booleans or None.

    Raises:
        InvalidPayloadError: The value has no JSON form, or one that would lose something.
    """
    try:
        return _plain(value, 0)
    except (_Unplain, TypeError):
        pass
    try:
        return _converted(value, 0)
    except InvalidPayloadError:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except Exception as error:
        raise _unserializable(str(error)) from error


def plain_text(form: Any) -> str:
    """Return the canonical text of a JSON form.

    Args:
        form: A value that `json_form` returned, or one put together from such values.

    Raises:
        InvalidPayloadError: A string holds a lone surrogate.
    """
    try:
        raw = to_json(form)
        # Escaping costs three times the rest, and most texts have nothing to escape.
        return raw.decode() if raw.isascii() else to_json(form, ensure_ascii=True).decode()
    except PydanticSerializationError as error:
        raise _unserializable("a string holds a lone surrogate") from error


def record_text(fields: dict[str, Any]) -> str:
    """Return the canonical text of a record whose values have their JSON form already.

    A legal value may nest as deep as is allowed, and the record is one level more.

    Args:
        fields: The fields by name, in any order.

    Raises:
        InvalidPayloadError: A string holds a lone surrogate.
    """
    return plain_text(dict(sorted(fields.items())))


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of any value.

    Args:
        value: Anything.

    Raises:
        InvalidPayloadError: The value has no JSON form, or one that would lose something.
    """
    return plain_text(json_form(value))


def decode_json(text: str | bytes) -> Any:
    """Return the value of a JSON text that a store wrote.

    Args:
        text: The text.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        if "recursion" not in str(error):
            raise
        # The quick parser stops at a depth that a legal value inside an envelope can pass.
        return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _plain(value: Any, depth: int) -> Any:
    """Copy what JSON says without conversion; raise `_Unplain` at anything else."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        if depth >= MAX_DEPTH:
            raise _too_deep()
        return _plain_dict(value, depth + 1)
    if kind is int:
        return _checked_integer(value)
    if kind is float:
        return _checked_float(value)
    if kind is list or kind is tuple:
        if depth >= MAX_DEPTH:
            raise _too_deep()
        return [_plain(item, depth + 1) for item in value]
    raise _Unplain


def _plain_dict(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    copied: dict[str, Any] = {}
    # Scalars are handled in line: most payloads are flat, and a call costs as much as the rest.
    for key in sorted(value) if len(value) > 1 else value:
        if type(key) is not str:
            raise _Unplain
        item = value[key]
        kind = type(item)
        if kind is str or item is None or kind is bool:
            copied[key] = item
        else:
            copied[key] = _plain(item, depth)
    return copied


def _converted(value: Any, depth: int) -> Any:
    """Copy anything that has a JSON form, leaf by leaf."""
    if isinstance(value, (Mapping, *_SEQUENCES, set, frozenset)):
        if depth >= MAX_DEPTH:
            raise _too_deep()
        if isinstance(value, Mapping):
            return _converted_mapping(value, depth + 1)
        items = [_converted(item, depth + 1) for item in value]
        return items if isinstance(value, _SEQUENCES) else sorted(items, key=plain_text)
    scalar = _scalar(value)
    if scalar is not _NOT_SCALAR:
        return scalar
    _refuse_collisions(value, depth)
    return _converted(to_jsonable_python(deepcopy(value), by_alias=True), depth)


def _converted_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    copied = {_key_text(key): _converted(item, depth) for key, item in value.items()}
    if len(copied) != len(value):
        raise _unserializable("two keys of one object become the same text")
    return dict(sorted(copied.items()))


def _key_text(key: Any) -> str:
    if isinstance(key, str) and not isinstance(key, Enum):
        return str.__str__(key)
    (text,) = to_jsonable_python({key: None})
    return str.__str__(text)


_NOT_SCALAR = object()


def _scalar(value: Any) -> Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Enum):
        return _NOT_SCALAR
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _checked_integer(int.__pos__(value))
    if isinstance(value, float):
        return _checked_float(float.__pos__(value))
    return _NOT_SCALAR


def _refuse_collisions(value: Any, depth: int) -> None:
    """Look for keys that pydantic would silently fold into one, inside models and dataclasses."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, Mapping):
        if len({_key_text(key) for key in value}) != len(value):
            raise _unserializable("two keys of one object become the same text")
        items: Iterable[Any] = value.values()
    elif isinstance(value, (*_SEQUENCES, set, frozenset)):
        items = value
    elif isinstance(value, BaseModel):
        items = [*vars(value).values(), *(value.__pydantic_extra__ or {}).values()]
    elif is_dataclass(value):
        items = [getattr(value, field.name) for field in fields(value)]
    else:
        return
    for item in items:
        _refuse_collisions(item, depth + 1)


def _checked_integer(value: int) -> int:
    if _MIN_INTEGER <= value <= MAX_INTEGER:
        return value
    raise _unserializable("an integer does not fit in 64 bits")


def _checked_float(value: float) -> float:
    if value - value == 0.0:
        return value
    raise _unserializable("NaN and infinities have no JSON form")


def _too_deep() -> InvalidPayloadError:
    return _unserializable(f"it nests deeper than {MAX_DEPTH} levels or contains itself")


def _unserializable(reason: str) -> InvalidPayloadError:
    return InvalidPayloadError(f"Value is not JSON serializable: {reason}")

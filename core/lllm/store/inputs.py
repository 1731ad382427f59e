"""The checks of a store's arguments: one order and one text for each, whatever the backend.

Every function returns what the engine works with and raises `InvalidPayloadError` for anything else; no
other exception leaves this module for bad input.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from lllm.errors import InvalidPayloadError
from lllm.store.encoding import MAX_INTEGER
from lllm.store.reports import Delivery

__all__ = [
    "UNSET",
    "Deliveries",
    "Unset",
    "known_fields",
    "object_of",
    "seconds",
    "tokens_of",
    "validated",
    "whole_number",
]


class _Unset(Enum):
    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset.UNSET
"""Default of keyword arguments for which None is a value of its own."""

Unset: TypeAlias = Literal[_Unset.UNSET]
"""Type of `UNSET`."""

Deliveries: TypeAlias = Delivery | str | Iterable[Delivery | str]
"""Deliveries or their tokens: one, or any number of them."""

ModelT = TypeVar("ModelT", bound=BaseModel)

_logger = logging.getLogger("lllm.store")
_MAX_WARNED = 1000
_warned: set[tuple[str, str]] = set()


def whole_number(value: object, field: str, *, least: int = 0) -> int:
    """Return `value` when it is an integer of at least `least`; a bool is none.

    Args:
        value: Anything.
        field: Name of the argument, for the error.
        least: 0 or 1.

    Raises:
        InvalidPayloadError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidPayloadError(f"{field} must be an integer.")
    if value < least:
        bound = "greater than 0" if least == 1 else f"greater than or equal to {least}"
        raise InvalidPayloadError(f"{field} must be {bound}.")
    if value > MAX_INTEGER:
        raise InvalidPayloadError(f"{field} must fit in 64 bits.")
    return value


def seconds(value: object, field: str, *, positive: bool = False) -> float:
    """Return `value` as a finite number of seconds.

    Args:
        value: Anything; a bool is no number.
        field: Name of the argument, for the error.
        positive: Whether 0 is refused.

    Raises:
        InvalidPayloadError: It is not a finite number, or below its bound.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidPayloadError(f"{field} must be a number of seconds.")
    try:
        number = float(value)
    except OverflowError as error:
        raise InvalidPayloadError(f"{field} must be finite.") from error
    if not math.isfinite(number):
        raise InvalidPayloadError(f"{field} must be finite.")
    if number < 0 or (positive and number == 0):
        bound = "greater than 0" if positive else "greater than or equal to 0"
        raise InvalidPayloadError(f"{field} must be {bound}.")
    return number


def object_of(value: object, field: str) -> Mapping[Any, Any]:
    """Return a mapping; None means an empty one.

    Args:
        value: Anything.
        field: Qualified name of the field, for the error.

    Raises:
        InvalidPayloadError: It is neither a mapping nor None.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise InvalidPayloadError(f"{field} must be an object.")


def tokens_of(deliveries: object) -> tuple[str, ...]:
    """Return the tokens of deliveries, each once, in their order.

    Args:
        deliveries: A delivery, a token, or an iterable of both.

    Raises:
        InvalidPayloadError: It is something else.
    """
    if isinstance(deliveries, (Delivery, str)):
        deliveries = (deliveries,)
    if not isinstance(deliveries, Iterable) or isinstance(deliveries, (bytes, bytearray, Mapping)):
        raise InvalidPayloadError("deliveries must be deliveries or their tokens.")
    tokens: dict[str, None] = {}
    for item in deliveries:
        token = item.token if isinstance(item, Delivery) else item
        if not isinstance(token, str):
            raise InvalidPayloadError("deliveries must be deliveries or their tokens.")
        tokens[token] = None
    return tuple(tokens)


def validated(model: type[ModelT], values: object, label: str) -> ModelT:
    """Validate `values` as a model.

    Args:
        model: The model class.
        values: Anything.
        label: What it is, for the error: `Invalid {label}: ...`.

    Raises:
        InvalidPayloadError: Validation failed; pydantic's text follows the label.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidPayloadError(f"Invalid {label}: {error}") from error
    except Exception as error:
        # Validation runs code of the values themselves: mappings, copies, representations.
        raise InvalidPayloadError(f"Invalid {label}: {type(error).__name__}: {error}") from error


def known_fields(values: Mapping[Any, Any], model: type[BaseModel], label: str) -> None:
    """Refuse keys that misspell a field by case or underscores; warn once of any other unknown key.

    Args:
        values: What a caller handed over.
        model: The model that it is meant for.
        label: What it is, for the texts.

    Raises:
        InvalidPayloadError: A key is a misspelt field.
    """
    names = {name for field, info in model.model_fields.items() for name in (field, info.alias or field)}
    unknown = [key for key in values if key not in names]
    if not unknown:
        return
    spelled = {_folded(name): name for name in names}
    for key in unknown:
        meant = spelled.get(_folded(str(key)))
        if meant is not None:
            raise InvalidPayloadError(f"Unknown field {key!r} in {label}; did you mean {meant!r}?")
        mark = (label, str(key))
        if mark not in _warned and len(_warned) < _MAX_WARNED:
            _warned.add(mark)
            _logger.warning("unknown field %r in %s is ignored", key, label)


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()

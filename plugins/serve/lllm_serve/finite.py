"""NaN and infinities, which JSON does not know: found on the way in and on the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

__all__ = ["is_finite", "is_suspicious", "may_hold_floats", "plain_form", "refuse_infinite"]

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)

# Digits to `0`, both letters of an exponent to `e`, everything else to a blank; plus signs are left out.
_SHAPE = bytes(48 if 48 <= code <= 57 else 101 if code in b"eE" else 32 for code in range(256))


def is_suspicious(body: bytes) -> bool:
    """Tell whether JSON text may hold a number that is not finite: a constant, or one like `1e999`.

    A quick look at the bytes; texts that only look like one are told apart by `refuse_infinite`.

    Args:
        body: JSON text.
    """
    # Looking for one character takes a hundredth of the time of looking for a word.
    if (b"N" in body and b"NaN" in body) or (b"I" in body and b"Infinity" in body):
        return True
    shape = body.translate(_SHAPE, b"+")
    return b"0e000" in shape or b"0" * 300 in shape


def refuse_infinite(body: bytes) -> None:
    """Raise when JSON text holds a number that is not finite.

    Args:
        body: JSON text.

    Raises:
        ValueError: It does; the text names the number.
    """
    try:
        json.loads(body, parse_constant=_refuse_constant, parse_float=_refuse_huge)
    except RecursionError:
        raise ValueError("recursion limit exceeded") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"it holds {name}, which JSON does not know")


def _refuse_huge(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        shown = text if len(text) <= 20 else f"{text[:20]}..."
        raise ValueError(f"it holds the number {shown}, which is too large")
    return number


def is_finite(value: Any) -> bool:
    """Tell whether all numbers of a value are finite, in models, maps and sequences at any depth.

    Args:
        value: Anything that pydantic can encode.
    """
    try:
        json.dumps(plain_form(value), allow_nan=False, skipkeys=True, default=_members)
    except ValueError:
        return False
    return True


def plain_form(value: Any) -> Any:
    """Return models and dataclasses as dicts by alias, with their numbers as they are.

    Args:
        value: Anything that pydantic can encode.
    """
    return _ANYTHING.dump_python(value, by_alias=True)


def _members(value: Any) -> Any:
    return list(value) if isinstance(value, (set, frozenset)) else None


# Schemas of pydantic that hold no floats themselves; what they contain is looked at on its own.
_EXACT = frozenset(
    "model model-fields model-field dataclass dataclass-args dataclass-field typed-dict typed-dict-field str int "
    "bool none list set frozenset tuple dict nullable union tagged-union literal enum default date datetime time "
    "timedelta uuid url multi-host-url bytes definitions definition-ref".split()
)
_NOT_SCHEMAS = frozenset(
    {"metadata", "config", "cls", "ref", "serialization", "default", "expected", "members"}
)


def may_hold_floats(schema: Any) -> bool:
    """Tell whether values of a type may hold floats, from pydantic's core schema; True when in doubt.

    Args:
        schema: A core schema, or a part of one.
    """
    if isinstance(schema, Mapping):
        kind = schema.get("type")
        if isinstance(kind, str) and kind not in _EXACT:
            return True
        if kind == "model" and schema.get("root_model") is None and "extras_schema" in schema:
            return True
        if "serialization" in schema or _keeps_extras(schema):
            return True
        return any(may_hold_floats(part) for name, part in schema.items() if name not in _NOT_SCHEMAS)
    if isinstance(schema, (list, tuple)):
        return any(may_hold_floats(part) for part in schema)
    return False


def _keeps_extras(schema: Mapping[str, Any]) -> bool:
    config = schema.get("config")
    extra = schema.get("extra_behavior") or (
        config.get("extra_fields_behavior") if isinstance(config, Mapping) else None
    )
    return extra == "allow" or bool(schema.get("computed_fields"))

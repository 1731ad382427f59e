"""Outputs as JSON: straight to bytes, and refused with a clear text when they have no JSON form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from lllm.errors import ProtocolError, SchemaError
from lllm.schema import adapter_of
from lllm_serve.finite import is_finite, may_hold_floats, plain_form

__all__ = ["OutputEncoder", "OutputEncodingError", "encode"]


class OutputEncodingError(ProtocolError):
    """What a tactic returned has no JSON form."""


class OutputEncoder:
    """Encodes the outputs of one tactic.

    Args:
        output_type: The type they were validated against, or None.
        allow_nan: Write NaN and infinities as the words that JavaScript has for them.
    """

    __slots__ = ("_allow_nan", "_dump", "_floats")

    def __init__(self, output_type: Any, allow_nan: bool) -> None:
        self._allow_nan = allow_nan
        self._floats = True
        self._dump: Callable[[Any], bytes] | None = None
        if output_type is None or output_type is Any:
            return
        try:
            adapter = adapter_of(output_type)
        except SchemaError:
            return
        self._floats = may_hold_floats(adapter.core_schema)
        if not (isinstance(output_type, type) and issubclass(output_type, BaseModel)):
            # Annotations may say how a value is written; a model knows by itself.
            self._dump = lambda value: adapter.dump_json(value, by_alias=True, warnings=False)

    def __call__(self, output: Any) -> bytes:
        """Return an output as JSON.

        Args:
            output: What the tactic returned.

        Raises:
            OutputEncodingError: It has no JSON form.
        """
        return encode(output, self._dump, floats=self._floats, allow_nan=self._allow_nan)


def encode(
    value: Any,
    dump: Callable[[Any], bytes] | None = None,
    *,
    floats: bool = True,
    allow_nan: bool = False,
) -> bytes:
    """Return a value as JSON, by alias.

    Args:
        value: Anything that pydantic can encode.
        dump: How to encode it; pydantic decides by the value when None.
        floats: Whether it may hold floats.
        allow_nan: Write NaN and infinities as the words that JavaScript has for them.

    Raises:
        OutputEncodingError: It has no JSON form.
    """
    try:
        data = to_json(value, by_alias=True) if dump is None else dump(value)
    except Exception as error:
        raise OutputEncodingError(f"The output has no JSON form: {error}") from error
    # Models write NaN as null, everything else writes the word: where neither stands there was none.
    if not floats or not _may_hide_nan(data):
        return data
    if is_finite(value):
        return data
    if allow_nan:
        return to_json(plain_form(value), inf_nan_mode="constants")
    raise OutputEncodingError(
        "The output has no JSON form: it holds NaN or an infinity, which JSON does not know; "
        "the option `allow_nan` lets them pass."
    )


def _may_hide_nan(data: bytes) -> bool:
    return b"null" in data or (b"N" in data and b"NaN" in data) or (b"I" in data and b"Infinity" in data)

"""Schemas of tactics: any type that pydantic understands, with the validator and JSON schema built once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json, to_json

from lllm.errors import SchemaError

__all__ = [
    "SchemaRef",
    "adapter_of",
    "export_json_schema",
    "type_name",
    "validate_with_schema",
    "validator_of",
]

SchemaRef = Any
"""A schema: a class, an annotation, or None or `Any` for values that are not checked."""


@dataclass(slots=True)
class _Built:
    """What is built once for a schema."""

    adapter: TypeAdapter[Any]
    exported: bytes | None = None


_built: dict[Any, _Built] = {}
_LIMIT = 4096


def _built_for(schema: SchemaRef) -> _Built:
    # `Literal[1]` and `Literal[True]` are equal, and so are their hashes; their texts differ.
    key = schema if isinstance(schema, type) else (schema, repr(schema))
    try:
        built = _built.get(key)
    except TypeError:  # unhashable annotation metadata
        return _build(schema)
    if built is None:
        built = _build(schema)
        if len(_built) >= _LIMIT:
            _built.clear()
        _built[key] = built
    return built


def _build(schema: SchemaRef) -> _Built:
    try:
        return _Built(TypeAdapter(schema))
    except Exception as error:
        raise SchemaError(f"Cannot build a validator for {type_name(schema)}: {error}") from error


def adapter_of(schema: SchemaRef) -> TypeAdapter[Any]:
    """Return the cached `TypeAdapter` of a schema.

    Args:
        schema: A class or annotation.

    Raises:
        SchemaError: pydantic cannot build a validator for it.
    """
    return _built_for(schema).adapter


def validator_of(schema: SchemaRef) -> Callable[[Any], Any] | None:
    """Return the function that validates one value, or None when the schema checks nothing.

    The function raises whatever pydantic or a validator raises; `validate_with_schema` is the friendly form.

    Args:
        schema: A class, an annotation, None or `Any`.
    """
    if schema is None or schema is Any:
        return None
    adapter = adapter_of(schema)
    try:
        validate: Callable[[Any], Any] = adapter.validator.validate_python
    except Exception as error:  # a class whose annotations name what is not defined yet
        raise SchemaError(f"Cannot build a validator for {type_name(schema)}: {error}") from error
    return validate


def mismatch(schema: SchemaRef, error: Exception, direction: str | None = None) -> SchemaError:
    """Return the error that says why a value does not match.

    Args:
        schema: The schema that refused the value.
        error: What pydantic raised.
        direction: `"input"` or `"output"` of a tactic, or None.
    """
    return SchemaError(f"Value does not match schema {type_name(schema)}: {error}", direction=direction)


def validate_with_schema(value: Any, schema: SchemaRef) -> Any:
    """Validate a value in pydantic's lax mode.

    Args:
        value: Anything.
        schema: A class or annotation; None and `Any` let everything pass.

    Returns:
        The validated, possibly converted value.

    Raises:
        SchemaError: The value does not match.
    """
    validate = validator_of(schema)
    if validate is None:
        return value
    try:
        return validate(value)
    except Exception as error:
        raise mismatch(schema, error) from error


def export_json_schema(schema: SchemaRef) -> dict[str, Any] | None:
    """Return the JSON schema of a type, or None when the schema checks nothing.

    Args:
        schema: A class, an annotation, None or `Any`.

    Returns:
        A copy that belongs to the caller.

    Raises:
        SchemaError: The type has no JSON schema.
    """
    if schema is None or schema is Any:
        return None
    built = _built_for(schema)
    if built.exported is None:
        try:
            built.exported = to_json(built.adapter.json_schema())
        except Exception as error:
            raise SchemaError(f"Cannot export JSON Schema for {type_name(schema)}: {error}") from error
    # Reading JSON anew is several times quicker than copying what was read.
    exported: dict[str, Any] = from_json(built.exported)
    return exported


def type_name(schema: SchemaRef) -> str | None:
    """Return a short name of a type for messages and traces.

    Args:
        schema: A class, an annotation, a model instance or None.
    """
    if schema is None:
        return None
    if schema is Any:
        return "Any"
    if isinstance(schema, BaseModel):
        return type(schema).__name__
    name = getattr(schema, "__name__", None)
    return name if isinstance(name, str) else re.sub(r"\btyping\.", "", str(schema))

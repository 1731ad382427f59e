"""Input types whose JSON can be validated together with the envelope around it, in one pass.

These are pydantic models that a second validation leaves alone: the tactic validates its input again, and an
instance of such a model passes as it is.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator, core_schema

__all__ = ["envelope_validator", "is_plain_model"]


def is_plain_model(adapter: TypeAdapter[Any]) -> bool:
    """Tell whether a type is a model, and not one that validates its own instances again.

    Args:
        adapter: Of the type.
    """
    found: Any = _resolved(adapter.core_schema)
    # A validator that runs after or around the model makes the schema another type than `model`.
    if found is None or found["type"] != "model" or found.get("root_model"):
        return False
    config = found.get("config") or {}
    return bool(found.get("revalidate_instances", config.get("revalidate_instances", "never")) == "never")


def _resolved(schema: Any) -> Any:
    """Return the schema that a type stands for, None when it cannot be told."""
    if schema["type"] != "definitions":
        return schema
    inner = schema["schema"]
    if inner["type"] != "definition-ref":
        return inner
    ref = inner["schema_ref"]
    return next((part for part in schema["definitions"] if part.get("ref") == ref), None)


def envelope_validator(adapter: TypeAdapter[Any]) -> SchemaValidator:
    """Return a validator of `{"input": <the type>, "context"?: <an object or null>}`.

    Args:
        adapter: Of a type for which `is_plain_model` holds.
    """
    schema: Any = adapter.core_schema
    definitions = schema["definitions"] if schema["type"] == "definitions" else None
    inner = schema if definitions is None else schema["schema"]
    context = core_schema.nullable_schema(
        core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())
    )
    envelope: Any = core_schema.typed_dict_schema(
        {
            "input": core_schema.typed_dict_field(inner),
            "context": core_schema.typed_dict_field(context, required=False),
        },
        extra_behavior="forbid",
    )
    if definitions is not None:
        envelope = core_schema.definitions_schema(envelope, definitions)
    return SchemaValidator(envelope)

"""Annotated field types of the protocol's models: the name rules as pydantic sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from lllm import names, refs

__all__ = [
    "CopiedValue",
    "Examples",
    "Metadata",
    "Number",
    "SchemaMap",
    "SegmentText",
    "ServiceRefText",
    "TacticRefText",
    "Tags",
    "Text",
    "TokenText",
]


def _named(check: Callable[[Any, str], Any]) -> Callable[[Any, ValidationInfo], Any]:
    """Run a check of `lllm.names` under the field's own name, its TypeError as a validation error."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        try:
            return check(value, info.field_name or "value")
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(str(error)) from error

    return validate


def _mapping(value: Any, label: str) -> dict[str, Any]:
    if value is None:
        raise TypeError(f"{label} must be a mapping.")
    return names.check_metadata(value, label)


def _schema_map(value: Any, label: str) -> dict[str, Any] | None:
    return None if value is None else _mapping(value, label)


def _number(value: Any, label: str) -> Any:
    if isinstance(value, bool):
        raise TypeError(f"{label} must be a number, not a boolean.")
    return value


def _examples(value: Any, info: ValidationInfo) -> list[dict[str, Any]]:
    label = info.field_name or "examples"
    if value is None:
        raise TypeError(f"{label} must be a list of mappings.")
    # The TypeError passes through pydantic unchanged, as callers of `TacticInfo(examples=...)` rely on.
    return names.check_examples(value, label)


class _StrictString:
    """Marks a strict string; pydantic's own `StrictStr` stands in a module that costs ten milliseconds to import."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.str_schema(strict=True)


Text = Annotated[str, _StrictString()]
TokenText = Annotated[Text, AfterValidator(_named(names.check_token))]
SegmentText = Annotated[Text, AfterValidator(_named(names.check_segment))]
TacticRefText = Annotated[Text, AfterValidator(_named(refs.check_tactic_ref))]
ServiceRefText = Annotated[Text, AfterValidator(_named(refs.check_service_ref))]
Metadata = Annotated[dict[str, Any], BeforeValidator(_named(_mapping))]
SchemaMap = Annotated[dict[str, Any] | None, BeforeValidator(_named(_schema_map))]
Tags = Annotated[dict[str, Text], BeforeValidator(_named(_mapping))]
Examples = Annotated[list[dict[str, Any]], BeforeValidator(_examples)]
Number = Annotated[float, BeforeValidator(_named(_number))]
CopiedValue = Annotated[Any, BeforeValidator(lambda value: names.copy_boundary(value, lenient=True))]

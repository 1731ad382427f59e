"""The parameters of a tool, from what is known about a tactic's input."""

from __future__ import annotations

from inspect import Parameter
from keyword import iskeyword
from typing import Annotated, Any

from pydantic import BaseModel, Field, RootModel, WithJsonSchema
from pydantic.fields import FieldInfo

from lllm import SchemaError
from lllm.schema import adapter_of

__all__ = ["UNSET", "field_parameters", "input_annotation", "input_keys", "usable_annotation"]


class _Unset:
    """Stands for a field that was left out, so that the model makes its default itself."""

    def __repr__(self) -> str:
        return "<left out>"


UNSET = _Unset()


def input_annotation(schema: Any, exported: dict[str, Any] | None) -> Any:
    """Return the annotation of a parameter that takes a whole input.

    Args:
        schema: The tactic's input type, or None.
        exported: JSON schema of the input, which a tactic behind a service has without having a type.
    """
    if isinstance(schema, type) and issubclass(schema, RootModel):
        return schema.model_fields[
            "root"
        ].rebuild_annotation()  # the library takes no model that is no object
    if _is_typed(schema) or not _is_flat(exported):
        return usable_annotation(schema)
    return Annotated[Any, WithJsonSchema(exported)]


def usable_annotation(schema: Any) -> Any:
    """Return a schema as an annotation; what only an agent understands, such as a list of types, is anything.

    Args:
        schema: An input or output type, or None.
    """
    if schema is None:
        return Any
    try:
        adapter_of(schema)
    except SchemaError:
        return Any
    return schema


def field_parameters(schema: Any, exported: dict[str, Any] | None) -> list[Parameter]:
    """Return one keyword parameter for each field of an input, or `**kwargs` when its fields are not known.

    Args:
        schema: The tactic's input type, or None.
        exported: JSON schema of the input.
    """
    if _is_model(schema):
        fields = schema.model_fields.items()
        return [_field_parameter(name, field) for name, field in fields if _is_name(name)]
    if exported is not None and _is_flat(exported) and _has_names(exported):
        required = exported.get("required", ())
        return [
            _property_parameter(name, part, name in required) for name, part in exported["properties"].items()
        ]
    values = exported.get("additionalProperties") if exported is not None and _is_flat(exported) else None
    annotation = Annotated[Any, WithJsonSchema(values)] if isinstance(values, dict) else Any
    return [Parameter("kwargs", Parameter.VAR_KEYWORD, annotation=annotation)]


def input_keys(schema: Any) -> dict[str, str]:
    """Return the key that an input model reads each of its fields from, where it is not the field's name.

    Args:
        schema: The tactic's input type, or None.
    """
    if not _is_model(schema):
        return {}
    aliases = {name: field.validation_alias or field.alias for name, field in schema.model_fields.items()}
    return {name: alias for name, alias in aliases.items() if isinstance(alias, str)}


def _field_parameter(name: str, field: FieldInfo) -> Parameter:
    annotation = field.rebuild_annotation()
    if field.description is not None:
        annotation = Annotated[annotation, Field(description=field.description)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=_default(field), annotation=annotation)


def _default(field: FieldInfo) -> Any:
    """Return the default of a parameter; a factory stays out of sight, and the model calls it."""
    if field.is_required():
        return Parameter.empty
    if field.default_factory is not None:
        return Field(default_factory=lambda: UNSET)
    return field.default


def _property_parameter(name: str, part: dict[str, Any], required: bool) -> Parameter:
    default = Parameter.empty if required else part.get("default", Field(default_factory=lambda: UNSET))
    annotation = Annotated[Any, WithJsonSchema(part)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _is_typed(schema: Any) -> bool:
    return schema is not None and schema is not Any


def _is_flat(exported: dict[str, Any] | None) -> bool:
    """Tell whether a JSON schema can stand anywhere: its parts refer to no definitions at its root."""
    return exported is not None and "$defs" not in exported


def _has_names(exported: dict[str, Any]) -> bool:
    properties = exported.get("properties")
    return isinstance(properties, dict) and bool(properties) and all(_is_name(name) for name in properties)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not iskeyword(text)


def _is_model(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, BaseModel) and not issubclass(schema, RootModel)

"""Checking a JSON value against the part of JSON Schema that structured output uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["schema_problems"]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}


def schema_problems(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a value, one text for each fault.

    Types, enumerations, constants, objects, arrays, alternatives and local references are checked; other keywords
    are left to the model's provider.

    Args:
        value: A JSON value.
        schema: The schema.
    """
    return list(_problems(value, schema, schema, "$"))


def _problems(value: Any, schema: Any, root: Mapping[str, Any], path: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        if schema is False:
            yield f"{path}: not allowed"
        return
    if isinstance(reference := schema.get("$ref"), str):
        yield from _problems(value, _target(reference, root), root, path)
    if "const" in schema and value != schema["const"]:
        yield f"{path}: must be {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: must be one of {schema['enum']!r}"
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives and all(any(_problems(value, item, root, path)) for item in alternatives):
        yield f"{path}: matches none of the {len(alternatives)} alternatives"
    for part in schema.get("allOf", ()):
        yield from _problems(value, part, root, path)
    kinds = schema.get("type")
    if kinds is not None:
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if not any(_TYPES[kind](value) for kind in kinds if kind in _TYPES):
            yield f"{path}: must be of type {' or '.join(kinds)}, got {type(value).__name__}"
            return
    if isinstance(value, dict):
        yield from _object_problems(value, schema, root, path)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _problems(item, schema["items"], root, f"{path}[{index}]")


def _object_problems(
    value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], path: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}.{name}: is required"
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        yield from _problems(item, properties.get(name, others), root, f"{path}.{name}")


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    node: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            node = node.get(part, {}) if isinstance(node, Mapping) else {}
    return node

"""The parameters of a Python callable: their JSON schemas, and the check of arguments against them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

__all__ = ["Parameter", "Parameters", "read_parameters", "strict_object"]

_SKIPPED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that a model can fill in.

    Attributes:
        name: Its name.
        annotation: Its type, or None when it has none.
        required: Whether it has no default.
        default: Its default; meaningless when it is required.
    """

    name: str
    annotation: Any
    required: bool
    default: Any = None

    def schema(self, description: str = "") -> dict[str, Any]:
        """Return the JSON schema of the parameter; one without a type takes a string.

        Args:
            description: What it is for; a default is added to it.
        """
        annotation = str if self.annotation is None else self.annotation
        schema: dict[str, Any] = _without_titles(TypeAdapter(annotation).json_schema())
        described = description or schema.get("description", "")
        if not self.required:
            described = f"{described} (default: {self.default})".strip()
        if described:
            schema["description"] = described
        return schema


class Parameters:
    """Everything that a callable takes by name.

    Args:
        items: The parameters in order.
        open_ended: Whether the callable takes further arguments through `**kwargs`.
    """

    def __init__(self, items: tuple[Parameter, ...], *, open_ended: bool) -> None:
        self.items = items
        self.open_ended = open_ended
        self._adapters: dict[str, TypeAdapter[Any]] | None = None

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments converted to the types of the parameters.

        A null for an optional parameter that takes no null means its default: strict tool schemas make
        models fill in every parameter.

        Args:
            arguments: What the model wrote.

        Raises:
            ValueError: An argument is missing, unknown or of the wrong type.
        """
        known = {item.name for item in self.items}
        unknown = [name for name in arguments if name not in known]
        if unknown and not self.open_ended:
            raise ValueError(f"unknown argument {unknown[0]!r}; expected {sorted(known)}")
        missing = [item.name for item in self.items if item.required and item.name not in arguments]
        if missing:
            raise ValueError(f"missing required argument {missing[0]!r}")
        checked = {name: arguments[name] for name in unknown}
        for item in self.items:
            if item.name in arguments:
                self._take(item, arguments[item.name], checked)
        return checked

    def _take(self, item: Parameter, value: Any, checked: dict[str, Any]) -> None:
        if self._adapters is None:
            self._adapters = {
                each.name: TypeAdapter(Any if each.annotation is None else each.annotation)
                for each in self.items
            }
        try:
            checked[item.name] = self._adapters[item.name].validate_python(value)
        except ValidationError as error:
            if value is None and not item.required:
                return
            detail = "; ".join(problem["msg"] for problem in error.errors(include_url=False))
            raise ValueError(f"argument {item.name!r}: {detail}") from error


def read_parameters(function: Callable[..., Any]) -> Parameters:
    """Read the parameters of a callable; `self` and `cls` are left out.

    Args:
        function: The callable. One without a signature, as some builtins are, takes anything.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return Parameters((), open_ended=True)
    hints = _hints(function)
    items = []
    for index, (name, parameter) in enumerate(signature.parameters.items()):
        if parameter.kind in _SKIPPED or (index == 0 and name in {"self", "cls"}):
            continue
        required = parameter.default is inspect.Parameter.empty
        items.append(Parameter(name, hints.get(name), required, None if required else parameter.default))
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    return Parameters(tuple(items), open_ended=inspect.Parameter.VAR_KEYWORD in kinds)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return _single_hints(target)


def _single_hints(target: Any) -> dict[str, Any]:
    """Resolve the annotations one by one; those that name something out of sight are left out."""
    hints: dict[str, Any] = {}
    for name, hint in getattr(target, "__annotations__", {}).items():
        alone = SimpleNamespace(__annotations__={name: hint})
        try:
            hints |= get_type_hints(alone, getattr(target, "__globals__", {}), include_extras=True)
        except (NameError, TypeError, AttributeError):
            continue
    return hints


def _without_titles(schema: Any) -> Any:
    """Drop the titles that pydantic derives from names; a property called `title` stays."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_titles(item) for name, item in value.items()}
        if key in {"properties", "$defs"} and isinstance(value, dict)
        else _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def strict_object(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object schema as strict tool calls demand it, at every depth.

    Every property is required, those that were optional become nullable, defaults go, and nothing else is
    allowed.

    Args:
        schema: A JSON schema.
    """
    result: dict[str, Any] = _strict(schema)
    return result


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    strict = {
        key: {name: _strict(item) for name, item in value.items()}
        if key in {"properties", "$defs"}
        else _strict(value)
        for key, value in schema.items()
        if key != "default"
    }
    if isinstance(properties := strict.get("properties"), dict):
        required = set(schema.get("required", ()))
        for name, item in properties.items():
            if name not in required:
                properties[name] = _nullable(item)
        strict["required"] = list(properties)
        strict["additionalProperties"] = False
    return strict


def _nullable(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return schema
    alternatives = schema.get("anyOf")
    if isinstance(alternatives, list):
        if any(isinstance(item, dict) and item.get("type") == "null" for item in alternatives):
            return schema
        return {**schema, "anyOf": [*alternatives, {"type": "null"}]}
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]}
    outer = {key: value for key, value in schema.items() if key == "description"}
    inner = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [inner, {"type": "null"}], **outer}

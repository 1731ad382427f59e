"""The JSON schema of a tool's parameters, from that of a tactic's input."""

from __future__ import annotations

from typing import Any

from lllm_runtime_pydantic_ai.tools import ParameterMode

__all__ = ["has_fields", "parameters_schema"]


_DEFINITIONS = "#/$defs/"


def has_fields(schema: dict[str, Any] | None) -> bool:
    """Tell whether an input can come as separate parameters: it is an object, or nothing is known about it.

    Args:
        schema: JSON schema of the tactic's input, or None.
    """
    return not schema or _at_root(schema).get("type") == "object"


def parameters_schema(schema: dict[str, Any] | None, mode: ParameterMode) -> dict[str, Any]:
    """Return what a model is told about the parameters of a tool.

    Args:
        schema: JSON schema of the tactic's input, or None when nothing is known about it.
        mode: `task` puts the input into one parameter `task`; `kwargs` takes its properties as parameters.
    """
    if mode == "kwargs":
        return _at_root(schema) if schema else {"type": "object", "additionalProperties": True}
    inner = dict(schema or {})
    # `#/$defs/...` counts from the root, so the definitions move there.
    definitions = inner.pop("$defs", None)
    outer: dict[str, Any] = {
        "type": "object",
        "properties": {"task": inner},
        "required": ["task"],
        "additionalProperties": False,
    }
    return outer if definitions is None else {**outer, "$defs": definitions}


def _at_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its properties at the root, where a model that contains itself has a reference."""
    reference = schema.get("$ref")
    definitions = schema.get("$defs", {})
    if not isinstance(reference, str) or not reference.startswith(_DEFINITIONS):
        return dict(schema)
    return {**definitions.get(reference.removeprefix(_DEFINITIONS), {}), "$defs": definitions}

"""The JSON schema of a tool's parameters, from that of a tactic's input."""

from __future__ import annotations

from typing import Any

from lllm_runtime_pydantic_ai.tools import ParameterMode

__all__ = ["parameters_schema"]


def parameters_schema(schema: dict[str, Any] | None, mode: ParameterMode) -> dict[str, Any]:
    """Return what a model is told about the parameters of a tool.

    Args:
        schema: JSON schema of the tactic's input, or None when nothing is known about it.
        mode: `task` puts the input into one parameter `task`; `kwargs` takes its properties as parameters.
    """
    if mode == "kwargs":
        known = schema is not None and schema.get("type") == "object"
        return dict(schema or {}) if known else {"type": "object", "additionalProperties": True}
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

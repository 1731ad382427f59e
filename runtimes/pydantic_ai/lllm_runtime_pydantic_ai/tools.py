"""`tactic_as_tool`: a tactic as a function that a model may call."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, Literal

from lllm import Tactic
from lllm_runtime_pydantic_ai.tool_parameters import (
    UNSET,
    field_parameters,
    input_annotation,
    input_keys,
    usable_annotation,
)

__all__ = ["ParameterMode", "check_parameter_mode", "check_tool_name", "tactic_as_tool", "tool_name_of"]

ParameterMode = Literal["task", "kwargs"]


def tactic_as_tool(
    tactic: Tactic[Any, Any],
    *,
    name: str | None = None,
    description: str | None = None,
    parameter_mode: ParameterMode = "task",
) -> Callable[..., Any]:
    """Return a synchronous function that runs a tactic, with the signature that any tool API reads.

    Args:
        tactic: The tactic.
        name: Name of the function; the tactic's with everything but letters and digits replaced by `_` when it is
            not given.
        description: Docstring of the function; the tactic's description when it is not given.
        parameter_mode: `task` makes one parameter `task` that takes the input; `kwargs` makes one parameter for each
            field of the input model, or takes any keyword arguments when the input is no model.

    Returns:
        The function; it answers with what `tactic.run` answers with.

    Raises:
        TypeError: `tactic` is no tactic.
        ValueError: `name` or `parameter_mode` is malformed.
    """
    if not isinstance(tactic, Tactic):
        raise TypeError(f"tactic must be a Tactic, got {type(tactic).__name__}; wrap it with as_tactic().")
    tool_name = tool_name_of(tactic) if name is None else check_tool_name(name)
    info = tactic.info()
    if check_parameter_mode(parameter_mode) == "task":
        annotation = input_annotation(tactic.input_type, info.input_schema)
        parameters = [Parameter("task", Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)]
        tool = _task_tool(tactic)
    else:
        parameters = field_parameters(tactic.input_type, info.input_schema)
        tool = _kwargs_tool(tactic)
    described = info.description if description is None else description
    returns = usable_annotation(tactic.output_type)
    return _dressed(tool, tool_name, described or f"Run {tool_name}.", parameters, returns)


def _task_tool(tactic: Tactic[Any, Any]) -> Callable[..., Any]:
    def tool(task: Any) -> Any:
        return tactic.run(task)

    return tool


def _kwargs_tool(tactic: Tactic[Any, Any]) -> Callable[..., Any]:
    keys = input_keys(tactic.input_type)

    def tool(**kwargs: Any) -> Any:
        return tactic.run({keys.get(key, key): item for key, item in kwargs.items() if item is not UNSET})

    return tool


def _dressed(
    tool: Callable[..., Any], name: str, text: str, parameters: list[Parameter], returns: Any
) -> Callable[..., Any]:
    """Give a function its name, its text and the signature that is to be seen of it."""
    tool.__name__ = tool.__qualname__ = name
    tool.__doc__ = text
    annotations = {item.name: item.annotation for item in parameters}
    tool.__annotations__ = {**annotations, "return": returns}
    tool.__signature__ = Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    return tool


def tool_name_of(tactic: Tactic[Any, Any]) -> str:
    """Return the name of a tactic as tool APIs accept it.

    Args:
        tactic: The tactic.
    """
    name = re.sub(r"[^0-9a-zA-Z]", "_", tactic.tactic_name).strip("_")
    if not name:
        return "lllm_tool"
    return f"tool_{name}" if name[0].isdigit() else name


def check_tool_name(name: object) -> str:
    """Return a tool's name that was given.

    Args:
        name: The name.

    Raises:
        ValueError: It is no text, blank or padded.
    """
    if not isinstance(name, str) or not name or name != name.strip():
        raise ValueError(f"tool name must be non-empty text without padding, not {name!r}.")
    return name


def check_parameter_mode(mode: object) -> ParameterMode:
    """Return a parameter mode.

    Args:
        mode: `task` or `kwargs`.

    Raises:
        ValueError: It is something else.
    """
    if mode not in ("task", "kwargs"):
        raise ValueError(f"parameter_mode must be 'task' or 'kwargs', not {mode!r}.")
    return mode

"""Tools by name: references in configs and prompts, and tactics as tools."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

from pydantic import BaseModel

from lllm.tactic import Tactic
from lllm_runtime_agents.function import Function
from lllm_runtime_agents.registry import ResourceRegistry, default_registry

__all__ = ["resolve_tool", "tactic_as_function"]


def resolve_tool(ref: str, registry: ResourceRegistry | None = None) -> Function:
    """Return the tool that a reference names.

    `package.tools:name` is a tool of a package or of an importable module. `package.tactics:name#tool` is the
    tool `tool` that the tactic class defines, or, as `#tool` itself, the tactic as a tool.

    Args:
        ref: The reference.
        registry: Where to look; the default registry when None.

    Raises:
        KeyError: There is no such tool.
        TypeError: It names something that cannot be used as a tool.
    """
    key, _, member = ref.partition("#")
    found = _find(key, registry, "tactic" if member else "tool")
    if member:
        return _tool_of_tactic(found, member, ref)
    if isinstance(found, Function):
        return found
    if isinstance(found, Tactic) or (isinstance(found, type) and issubclass(found, Tactic)):
        return tactic_as_function(found() if isinstance(found, type) else found)
    if callable(found):
        return Function.from_callable(found)
    raise TypeError(f"Tool reference '{ref}' names a {type(found).__name__}, which is no tool.")


def _find(key: str, registry: ResourceRegistry | None, kind: str) -> Any:
    try:
        return (registry or default_registry()).get(key, resource_type=kind)
    except (KeyError, TypeError) as unregistered:
        module, _, attribute = key.partition(":")
        if not attribute:
            raise
        try:
            found: Any = import_module(module)
            for name in attribute.split("."):
                found = getattr(found, name)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise KeyError(f"Tool '{key}' not found: {error}") from unregistered
        return found


def _tool_of_tactic(found: Any, member: str, ref: str) -> Function:
    own = getattr(found, member, None)
    if isinstance(own, Function):
        return own
    if callable(own):
        return Function.from_callable(own)
    if member != "tool":
        raise KeyError(f"Tactic of tool reference '{ref}' defines no tool '{member}'.")
    return tactic_as_function(found() if isinstance(found, type) else found)


def tactic_as_function(
    tactic: Tactic[Any, Any],
    name: str | None = None,
    description: str | None = None,
    parameter_mode: Literal["task", "kwargs"] = "task",
) -> Function:
    """Turn a tactic into a tool; its calls are children of the agent's tactic call.

    Args:
        tactic: The tactic.
        name: Name of the tool; by default the tactic's, with `_` for everything that is not alphanumeric.
        description: What the tool is for; by default the tactic's description.
        parameter_mode: `task`: one parameter `task` of the input type. `kwargs`: the fields of the input model
            as parameters.

    Raises:
        ValueError: `name` is blank, or `parameter_mode` is unknown.
    """
    if parameter_mode not in ("task", "kwargs"):
        raise ValueError(f"parameter_mode must be 'task' or 'kwargs', got {parameter_mode!r}")
    if name is not None and (not name.strip() or name != name.strip()):
        raise ValueError(f"tool name must be non-empty text without outer spaces, got {name!r}")
    described = tactic.info().description if description is None else description
    callable_ = _kwargs_callable(tactic) if parameter_mode == "kwargs" else _task_callable(tactic)
    return Function.from_callable(
        callable_,
        name=name or _tool_name(tactic.tactic_name),
        description=described or f"Run {tactic.tactic_name}.",
        processor=_dumped,
    )


def _tool_name(name: str) -> str:
    text = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_")
    if not text:
        return "lllm_tool"
    return f"tool_{text}" if text[0].isdigit() else text


def _task_callable(tactic: Tactic[Any, Any]) -> Callable[..., Any]:
    def run_tactic(task: Any) -> Any:
        return _result(tactic, task)

    kind = tactic.input_type
    run_tactic.__annotations__ = {"task": str if kind is None else kind}
    return run_tactic


def _kwargs_callable(tactic: Tactic[Any, Any]) -> Callable[..., Any]:
    model = tactic.input_type

    def run_tactic(**fields: Any) -> Any:
        return _result(tactic, fields)

    if isinstance(model, type) and issubclass(model, BaseModel):
        parameters = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=field.annotation,
                default=inspect.Parameter.empty if field.is_required() else field.get_default(),
            )
            for name, field in model.model_fields.items()
        ]
        run_tactic.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run_tactic.__annotations__ = {name: field.annotation for name, field in model.model_fields.items()}
    return run_tactic


def _result(tactic: Tactic[Any, Any], task: Any) -> Any:
    """Run synchronously where tools run in threads, and where a loop is running hand back what it awaits."""
    from lllm.background import running_loop

    return tactic.run(task) if running_loop() is None else tactic.arun(task)


def _dumped(result: Any, _: Any) -> str:
    return result.model_dump_json() if isinstance(result, BaseModel) else str(result)

"""From a tactic's input to what an agent is handed, and from its result to the tactic's output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from lllm_runtime_pydantic_ai.config import PydanticAITacticConfig

__all__ = ["agent_input", "tactic_output"]


def agent_input(value: Any, config: PydanticAITacticConfig, *, library: bool) -> Any:
    """Return what an agent is handed for an input.

    Args:
        value: The validated input.
        config: How inputs are mapped.
        library: Whether the agent is one of the library's, which take text or a sequence of contents: whatever else
            there is becomes JSON text.
    """
    mode = config.input_mode
    if config.input_mapper is not None:
        return config.input_mapper(value)
    if mode == "text":
        return str(value)
    if isinstance(value, BaseModel):
        if mode == "python":
            return value
        return value.model_dump(mode="json") if mode == "dict" else value.model_dump_json()
    if library and mode in {"auto", "json"} and not _is_prompt(value):
        return to_json(value).decode()
    return value


def _is_prompt(value: Any) -> bool:
    """Tell whether the library can be handed a value as it is: nothing, text, or a sequence of its contents."""
    if value is None or isinstance(value, (str, bytes)):
        return True
    return isinstance(value, Sequence) and all(
        isinstance(item, str) or type(item).__module__.startswith("pydantic_ai.") for item in value
    )


def tactic_output(result: Any, config: PydanticAITacticConfig) -> Any:
    """Return the output that a run's result stands for.

    Args:
        result: What the agent answered with.
        config: How results are mapped.
    """
    if config.output_mapper is not None:
        return config.output_mapper(result)
    return result if config.result_mode == "result" else plain_output(result)


def plain_output(result: Any) -> Any:
    """Return the output inside a result: its `output`, else its `data`, else the result itself.

    Args:
        result: What the agent answered with.
    """
    for name in ("output", "data"):
        if hasattr(result, name):
            return getattr(result, name)
    return result

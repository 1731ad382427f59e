"""Writing prompts into stored dialogs and reading them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from lllm_runtime_agents.function import Function
from lllm_runtime_agents.prompt import Prompt
from lllm_runtime_agents.registry import ResourceRegistry, find_prompt

__all__ = ["dump_prompt", "format_schema", "load_prompt_record"]

_PLAIN = {"path", "prompt", "metadata", "addon_args"}


def format_schema(prompt: Prompt) -> dict[str, Any] | None:
    """Return the JSON schema of a prompt's `format`, or None when it has none.

    Args:
        prompt: The prompt.
    """
    if prompt.format is None:
        return None
    if isinstance(prompt.format, Mapping):
        return dict(prompt.format)
    return TypeAdapter(prompt.format).json_schema()


def dump_prompt(prompt: Prompt) -> dict[str, Any]:
    """Return a JSON-safe map of a prompt; parsers and callables are Python objects and are left out.

    Args:
        prompt: The prompt.
    """
    record: dict[str, Any] = prompt.model_dump(mode="json", include=_PLAIN, fallback=str)
    record["functions"] = [
        function if isinstance(function, str) else function.model_dump(mode="json", fallback=str)
        for function in prompt.function_list
    ]
    record["mcp_servers"] = [server.model_dump(mode="json") for server in prompt.mcp_servers_list]
    try:
        record["format"] = format_schema(prompt)
    except PydanticInvalidForJsonSchema:
        record["format"] = None
    return record


def load_prompt_record(
    path: str | None, record: Mapping[str, Any] | None, registry: ResourceRegistry | None
) -> Prompt | None:
    """Return the registered prompt of a path, else the one that a record describes.

    Args:
        path: Path of the prompt, or None.
        record: What `dump_prompt` wrote, or None.
        registry: Where to look; the default registry when None.
    """
    if path is None:
        return None
    try:
        return find_prompt(path, registry)
    except KeyError:
        if record is None:
            return None
    functions = [item if isinstance(item, str) else Function(**item) for item in record.get("functions", ())]
    return Prompt(
        **{key: value for key, value in record.items() if key in _PLAIN},
        function_list=functions,
        mcp_servers_list=list(record.get("mcp_servers", ())),
        format=record.get("format"),
    )

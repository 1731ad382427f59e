"""Translating dialogs into chat completion requests, and replies back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lllm_runtime_agents.dialog import Dialog
from lllm_runtime_agents.images import detect_media_type
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.parameters import strict_object
from lllm_runtime_agents.prompt import Prompt
from lllm_runtime_agents.prompt_record import format_schema
from lllm_runtime_agents.replies import read_arguments
from lllm_runtime_agents.roles import APITypes, Invokers, Modalities, Roles

__all__ = ["chat_messages", "prompt_arguments", "reply_message", "usage_of"]

_MILLION = 1_000_000


def chat_messages(dialog: Dialog) -> list[dict[str, Any]]:
    """Return a dialog in the form of the chat API.

    Args:
        dialog: The dialog.

    Raises:
        ValueError: A tool's result has no call id.
    """
    return [_chat_message(message) for message in dialog.messages]


def _chat_message(message: Message) -> dict[str, Any]:
    if message.role is Roles.TOOL:
        call_id = message.metadata.get("tool_call_id")
        if not call_id:
            raise ValueError("Tool call id is not found in the message metadata")
        return {
            "role": "tool",
            "content": message.text,
            "tool_call_id": call_id,
            "name": message.sanitized_name,
        }
    if message.function_calls:
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in message.function_calls
        ]
        return {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    role = "assistant" if message.role is Roles.TOOL_CALL else message.role.msg_value
    return {"role": role, "name": message.sanitized_name, "content": _content(message)}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if message.modality is not Modalities.IMAGE or isinstance(message.content, list):
        return message.content
    media_type = message.metadata.get("media_type") or detect_media_type(base64.b64decode(message.content))
    url = f"data:{media_type or 'image/png'};base64,{message.content}"
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}}]
    caption = message.metadata.get("caption")
    return [{"type": "text", "text": caption}, *parts] if caption else parts


def prompt_arguments(prompt: Prompt | None) -> dict[str, Any]:
    """Return the arguments that declare a prompt's tools and format.

    Args:
        prompt: The active prompt.
    """
    if prompt is None:
        return {}
    arguments: dict[str, Any] = {}
    tools = [function.to_tool(Invokers.LITELLM) for function in prompt.functions.values()]
    tools += [server.to_tool() for server in prompt.mcp_servers_list]
    if tools:
        arguments["tools"] = tools
    if prompt.allow_web_search:
        arguments["web_search_options"] = {}
    schema = format_schema(prompt)
    if schema is not None:
        name = str(schema.get("title") or getattr(prompt.format, "__name__", "reply"))
        declared = {"name": name, "schema": strict_object(schema), "strict": True}
        arguments["response_format"] = {"type": "json_schema", "json_schema": declared}
    return arguments


def reply_message(
    response: Any, responder: str, api_type: APITypes, usage: dict[str, Any]
) -> tuple[Message, list[Exception]]:
    """Return a chat completion as a message, and what is wrong with its tool calls.

    Args:
        response: The completion.
        responder: Name of the agent that answers.
        api_type: Which of the provider's APIs was asked for.
        usage: Token counts and prices.
    """
    choice = response.choices[0]
    calls, errors = [], []
    for asked in choice.message.tool_calls or ():
        call, error = read_arguments(asked.function.name or "", asked.function.arguments, asked.id)
        calls.append(call)
        errors += [error] if error is not None else []
    message = Message(
        role=Roles.TOOL_CALL if calls else Roles.ASSISTANT,
        content=choice.message.content or "",
        name=responder,
        function_calls=calls,
        modality=Modalities.FUNCTION_CALL if calls else Modalities.TEXT,
        model=getattr(response, "model", None),
        usage=usage,
        api_type=api_type,
    )
    if finish := getattr(choice, "finish_reason", None):
        message.metadata["finish_reason"] = finish
    return message, errors


def usage_of(response: Any, prices: Mapping[str, Mapping[str, float]], litellm: Any) -> dict[str, Any]:
    """Return token counts and prices of a completion, in the keys of `InvokeCost.from_usage`.

    Args:
        response: The completion.
        prices: Model name to dollars per million `input` and `output` tokens; goes over litellm's own.
        litellm: The library, whose price table is asked.
    """
    counted = getattr(response, "usage", None)
    dump = getattr(counted, "model_dump", None)
    usage: dict[str, Any] = dict(counted or {}) if dump is None else dump()
    own = prices.get(getattr(response, "model", None) or "")
    if own is not None:
        usage["prompt_cost"] = usage.get("prompt_tokens", 0) * float(own.get("input", 0)) / _MILLION
        usage["completion_cost"] = usage.get("completion_tokens", 0) * float(own.get("output", 0)) / _MILLION
        usage["response_cost"] = usage["prompt_cost"] + usage["completion_cost"]
        return usage
    # An unknown model has no price, which litellm says with whatever exception its table raises.
    with suppress(Exception):
        usage["response_cost"] = float(litellm.completion_cost(completion_response=response))
    return usage

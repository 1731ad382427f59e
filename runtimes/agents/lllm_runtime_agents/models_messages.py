"""Translating dialogs into the messages of Pydantic AI, and replies back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.native_tools import AbstractNativeTool, MCPServerTool, WebSearchTool
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import ToolDefinition

from lllm_runtime_agents.dialog import Dialog
from lllm_runtime_agents.images import detect_media_type
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.prompt import Prompt
from lllm_runtime_agents.prompt_record import format_schema
from lllm_runtime_agents.replies import read_arguments
from lllm_runtime_agents.roles import APITypes, Modalities, Roles

__all__ = ["reply_message", "request_messages", "request_parameters"]

_PARTS = "model_parts"
"""Where a message keeps the parts that only its provider understands, such as signed reasoning."""


def request_messages(dialog: Dialog) -> list[ModelMessage]:
    """Return a dialog as the library's messages.

    Args:
        dialog: The dialog.

    Raises:
        ValueError: A tool's result has no call id.
    """
    messages: list[ModelMessage] = []
    waiting: list[ModelRequestPart] = []
    for message in dialog.messages:
        if message.role in (Roles.ASSISTANT, Roles.TOOL_CALL):
            if waiting:
                messages.append(ModelRequest(parts=waiting))
                waiting = []
            messages.append(ModelResponse(parts=_response_parts(message)))
        else:
            waiting.append(_request_part(message))
    if waiting:
        messages.append(ModelRequest(parts=waiting))
    return messages


def _request_part(message: Message) -> ModelRequestPart:
    if message.role is Roles.SYSTEM:
        return SystemPromptPart(content=message.text)
    if message.role is Roles.TOOL:
        call_id = message.metadata.get("tool_call_id")
        if not call_id:
            raise ValueError("Tool call id is not found in the message metadata")
        return ToolReturnPart(tool_name=message.name, content=message.text, tool_call_id=str(call_id))
    return UserPromptPart(content=_user_content(message))


def _user_content(message: Message) -> str | list[UserContent]:
    content = message.content
    if isinstance(content, list):
        return [part for item in content for part in _content_part(item)]
    if message.modality is not Modalities.IMAGE:
        return content
    data = base64.b64decode(content)
    media_type = message.metadata.get("media_type") or detect_media_type(data) or "image/png"
    image = BinaryContent(data=data, media_type=media_type)
    caption = message.metadata.get("caption")
    return [caption, image] if caption else [image]


def _content_part(item: Mapping[str, Any]) -> list[UserContent]:
    if isinstance(text := item.get("text"), str):
        return [text]
    image = item.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    if not isinstance(url, str):
        raise TypeError(f"A content part must have `text` or `image_url`, got the keys {sorted(item)}.")
    return [BinaryContent.from_data_uri(url) if url.startswith("data:") else ImageUrl(url=url)]


def _response_parts(message: Message) -> list[ModelResponsePart]:
    if stored := message.metadata.get(_PARTS):
        response = ModelMessagesTypeAdapter.validate_python([stored])[0]
        assert isinstance(response, ModelResponse)
        return list(response.parts)
    parts: list[ModelResponsePart] = [TextPart(content=message.text)] if message.text else []
    for call in message.function_calls:
        parts.append(ToolCallPart(tool_name=call.name, args=dict(call.arguments), tool_call_id=call.id))
    return parts


def request_parameters(prompt: Prompt | None, *, structured: bool = True) -> ModelRequestParameters:
    """Return the tools and the format of a prompt as the library takes them.

    Args:
        prompt: The active prompt.
        structured: Whether the model has structured output; without it the schema goes into the instructions.
    """
    if prompt is None:
        return ModelRequestParameters()
    tools = [
        ToolDefinition(
            name=function.name,
            description=function.description,
            parameters_json_schema=function.parameters_schema(),
            strict=function.strict,
        )
        for function in prompt.functions.values()
    ]
    schema = format_schema(prompt)
    if schema is None:
        return ModelRequestParameters(function_tools=tools, native_tools=_native_tools(prompt))
    name = str(schema.get("title") or getattr(prompt.format, "__name__", "reply"))
    return ModelRequestParameters(
        function_tools=tools,
        native_tools=_native_tools(prompt),
        output_mode="native" if structured else "prompted",
        output_object=OutputObjectDefinition(
            json_schema=schema, name=name, description=schema.get("description"), strict=True
        ),
    )


def _native_tools(prompt: Prompt) -> list[AbstractNativeTool]:
    tools: list[AbstractNativeTool] = [
        MCPServerTool(id=server.server_label, url=server.server_url, allowed_tools=server.allowed_tools)
        for server in prompt.mcp_servers_list
    ]
    return [*tools, WebSearchTool()] if prompt.allow_web_search else tools


def reply_message(
    response: ModelResponse, responder: str, api_type: APITypes, usage: dict[str, Any]
) -> tuple[Message, list[Exception]]:
    """Return the library's reply as a message, and what is wrong with its tool calls.

    Args:
        response: The reply.
        responder: Name of the agent that answers.
        api_type: Which of the provider's APIs was called.
        usage: Token counts and prices.
    """
    calls, errors, texts, foreign = [], [], [], False
    for part in response.parts:
        if isinstance(part, TextPart):
            texts.append(part.content)
        elif isinstance(part, ToolCallPart):
            call, error = read_arguments(part.tool_name, part.args, part.tool_call_id)
            calls.append(call)
            errors += [error] if error is not None else []
        else:
            foreign = True
    message = Message(
        role=Roles.TOOL_CALL if calls else Roles.ASSISTANT,
        content="".join(texts),
        name=responder,
        function_calls=calls,
        modality=Modalities.FUNCTION_CALL if calls else Modalities.TEXT,
        model=response.model_name,
        usage=usage,
        api_type=api_type,
    )
    if response.finish_reason is not None:
        message.metadata["finish_reason"] = response.finish_reason
    if foreign:
        message.metadata[_PARTS] = ModelMessagesTypeAdapter.dump_python([response], mode="json")[0]
    return message, errors

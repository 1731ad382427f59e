"""What every invoker does with the text of a reply: check it against the format and hand it to the parser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lllm.error_text import error_text
from lllm_runtime_agents.blocks import find_md_blocks
from lllm_runtime_agents.errors import ParseError
from lllm_runtime_agents.function_call import FunctionCall
from lllm_runtime_agents.json_check import schema_problems
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.prompt import Prompt

__all__ = ["read_arguments", "read_reply"]


def read_reply(
    message: Message, prompt: Prompt | None, parser_args: Mapping[str, Any] | None
) -> list[Exception]:
    """Fill in `message.parsed` and return what is wrong with the reply.

    A reply that asks for tools is not read. With a `format` the value stands under `value`; with a parser its
    result is added.

    Args:
        message: The reply.
        prompt: The active prompt.
        parser_args: Passed on to the parser.
    """
    if prompt is None or message.is_function_call or (prompt.format is None and prompt.parser is None):
        return []
    text = message.text
    parsed: dict[str, Any] = {"raw": text}
    try:
        if prompt.format is not None:
            parsed["value"] = _formatted(text, prompt.format)
        if prompt.parser is not None:
            parsed.update(prompt.parse(text, **(parser_args or {})))
    except (Exception, SystemExit) as error:
        return [_tellable(error)]
    message.parsed = parsed
    return []


def _tellable(error: BaseException) -> Exception:
    """Return an error that the model can be told: a parser may raise what has no text, or exit."""
    text = error_text(error)
    if not isinstance(error, Exception):
        return ParseError(f"The parser raised {type(error).__name__}: {text}")
    return ParseError(text) if text.startswith("<no text:") else error


def read_arguments(name: str, raw: Any, call_id: str) -> tuple[FunctionCall, Exception | None]:
    """Make a tool call of what a provider sent.

    Args:
        name: Name of the tool.
        raw: The arguments, as JSON text or a map.
        call_id: Id of the call.

    Returns:
        The call, and what is wrong with its arguments, if anything is.
    """
    if isinstance(raw, Mapping):
        return FunctionCall(id=call_id, name=name, arguments=dict(raw)), None
    try:
        arguments = json.loads(raw) if raw else {}
    except (TypeError, ValueError, RecursionError) as error:
        return FunctionCall(id=call_id, name=name), ParseError(
            f"Arguments of tool '{name}' are not JSON: {error}"
        )
    if not isinstance(arguments, dict):
        found = type(arguments).__name__
        return FunctionCall(id=call_id, name=name), ParseError(
            f"Arguments of tool '{name}' must be an object, got {found}"
        )
    return FunctionCall(id=call_id, name=name, arguments=arguments), None


def _formatted(text: str, form: Any) -> Any:
    if not isinstance(form, Mapping):
        return _checked_model(text, form)
    try:
        value = json.loads(_json_text(text))
    except ValueError as error:
        raise ParseError(f"The reply is not JSON: {error}") from error
    problems = schema_problems(value, form)
    if problems:
        raise ParseError("The reply does not match the schema: " + "; ".join(problems))
    return value


def _checked_model(text: str, form: type) -> Any:
    try:
        return _adapter(form).validate_json(_json_text(text))
    except ValidationError as error:
        details = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'reply'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        raise ParseError(f"The reply does not match {form.__name__}: {details}") from error


@lru_cache(maxsize=256)
def _adapter(form: type) -> TypeAdapter[Any]:
    return TypeAdapter(form)


def _json_text(text: str) -> str:
    """Take the JSON out of a fence: models without structured output like to put it into one."""
    stripped = text.strip()
    fenced = find_md_blocks(stripped, "json") if stripped.startswith("```") else []
    return fenced[0] if fenced else stripped

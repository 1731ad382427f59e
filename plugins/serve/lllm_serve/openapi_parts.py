"""Parts of the OpenAPI document that are the same for every tactic."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

__all__ = [
    "BODY_TEXT",
    "CONTEXT_SCHEMA",
    "HEADERS",
    "KEY_HEADER",
    "error_responses",
    "event_stream",
    "json_content",
    "problem_schema",
]

_TEXT = {"type": ["string", "null"]}
_TOKEN = {**_TEXT, "pattern": r"^(?!\.{1,2}$)[^\s\x1c-\x1f\x85%/\\:;]+$"}
_TOKEN_OR_EMPTY = {**_TEXT, "pattern": r"^(?!\.{1,2}$)[^\s\x1c-\x1f\x85%/\\:;]*$"}

_LINE = {"type": "string"}

CONTEXT_SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "description": "Who calls, and the ids that travel with the call; further fields are kept.",
    "properties": {
        "request_id": _TOKEN_OR_EMPTY,
        "caller": _TEXT,
        "trace_id": _TOKEN,
        "span_id": _TOKEN,
        "tags": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        "metadata": {"type": ["object", "null"]},
    },
}
"""The context inside an envelope."""


def _header(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


HEADERS: tuple[dict[str, Any], ...] = (
    _header("X-LLLM-Timeout-Ms", {"type": "integer", "minimum": 1}, "Milliseconds that the caller waits."),
    _header("X-LLLM-On-Disconnect", {"enum": ["cancel", "continue"]}, "What happens when the caller leaves."),
    _header("traceparent", {"type": "string"}, "W3C trace context."),
)
"""Headers that every call understands."""

KEY_HEADER = _header(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    "Requests under one key are done once.",
)
"""The header of calls with one answer that may change something."""

BODY_TEXT = (
    "An envelope with input and context, or the input itself. "
    "The header `X-LLLM-Envelope: 1` says that it is an envelope, `0` that it is not."
)
"""Description of the body of a call."""


def json_content(schema: dict[str, Any], description: str = "Success") -> dict[str, Any]:
    """Return a response with a JSON body.

    Args:
        schema: Its schema.
        description: What it means.
    """
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def event_stream() -> dict[str, Any]:
    """Return a response that is a stream of events."""
    return {
        "description": "Server-sent events; the last one is `end`.",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "properties": {"id": _LINE, "event": _LINE, "data": {**_LINE, "description": "JSON"}},
                    "required": ["id"],
                }
            }
        },
    }


def error_responses(*statuses: str) -> dict[str, Any]:
    """Return responses that tell what went wrong.

    Args:
        *statuses: Which ones; all that a call can end with when there are none.
    """
    chosen = statuses or ("400", "404", "408", "409", "413", "429", "500", "502", "503", "504")
    content = {
        "application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}},
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
    }
    return {status: {"description": HTTPStatus(int(status)).phrase, "content": content} for status in chosen}


def problem_schema() -> dict[str, Any]:
    """Return the schema of an error after RFC 9457."""
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "request_id", "retryable"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": text,
            "request_id": text,
            "retryable": {"type": "boolean"},
            "errors": {
                "type": "array",
                "items": {"type": "object", "properties": {"pointer": text, "detail": text, "code": text}},
            },
            "metadata": {"type": "object"},
        },
    }

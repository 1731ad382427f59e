"""From the library's events to `TacticEvent`s with stable kinds."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from lllm.events import TacticEvent

__all__ = ["text_of", "to_event"]


def to_event(native: Any) -> TacticEvent:
    """Return the event for what a run said; JSON-safe whatever it holds.

    Text and thinking come as what is new of them. What is no object of the library's kind, as an agent of another
    make may say it, is a `message`.

    Args:
        native: An event of the library, or of an agent that looks like one of its own.
    """
    if isinstance(native, TacticEvent):
        return native
    kind = getattr(native, "event_kind", None)
    if kind == "function_tool_call":
        return TacticEvent(kind="tool_call", data=_tool_call(native.part))
    if kind == "function_tool_result":
        return TacticEvent(
            kind="tool_result", data=_tool_result(getattr(native, "part", None) or native.result)
        )
    for stream_kind, part_kind in (("text", "text"), ("thinking", "thinking")):
        piece = _piece(native, part_kind)
        if piece:
            return TacticEvent(kind=stream_kind, data=piece)
    if kind is None and _is_plain(native):
        return TacticEvent(data=_jsonable(native))
    return TacticEvent(kind="part", data=_jsonable(native))


def text_of(native: Any) -> str:
    """Return the text that an event adds to the model's reply, empty when it adds none.

    Args:
        native: An event of the library.
    """
    return _piece(native, "text")


def _piece(native: Any, part_kind: str) -> str:
    kind = getattr(native, "event_kind", None)
    if kind == "part_start":
        part = native.part
        content = part.content if getattr(part, "part_kind", None) == part_kind else ""
    elif kind == "part_delta":
        delta = native.delta
        content = delta.content_delta if getattr(delta, "part_delta_kind", None) == part_kind else ""
    else:
        return ""
    return content or ""


def _tool_call(part: Any) -> dict[str, Any]:
    return {"id": part.tool_call_id, "name": part.tool_name, "args": _arguments(part)}


def _arguments(part: Any) -> Any:
    """Return the arguments of a tool call as a map; text that is no JSON stays text."""
    given = part.args
    if not isinstance(given, str):
        return _jsonable(given or {})
    try:
        return from_json(given) if given else {}
    except ValueError:
        return given


def _tool_result(part: Any) -> dict[str, Any]:
    return {"id": part.tool_call_id, "name": part.tool_name, "content": _jsonable(part.content)}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool, dict, list, tuple))


def _jsonable(value: Any) -> Any:
    """Return a value as JSON has it; of an object that JSON cannot hold only the type is told."""
    try:
        return from_json(to_json(value, bytes_mode="base64", inf_nan_mode="null", fallback=_type_only))
    except ValueError:  # it holds itself
        return _type_only(value)


def _type_only(value: Any) -> dict[str, str]:
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}"}

"""The JSON form of any value, for records, sizes and keys; it never raises."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

__all__ = ["json_bytes", "json_value"]


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON; what JSON does not know is shown as text.

    Args:
        value: Anything: models, dataclasses, maps with keys of any kind.
    """
    try:
        return to_json(value, fallback=_text, inf_nan_mode="strings", bytes_mode="base64")
    except Exception:
        # Keys of mixed kinds, cycles and the like; the text is the best that is left.
        return to_json(_text(value))


def json_value(value: Any) -> Any:
    """Return the JSON form of a value as Python data.

    Args:
        value: Anything.
    """
    return from_json(json_bytes(value))


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"

"""Replacing secrets before anything is recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lllm.secrets import is_secret_key, looks_secret, mask_secrets

__all__ = ["HIDDEN", "redact", "redact_json"]

HIDDEN = "***"

# Fields of our own records that are named like secrets, and the field beside which they are none.
_OWN_FIELDS = {"session_id": "tactic_name", "token": "top_logprobs"}

_is_secret = lru_cache(maxsize=4096)(is_secret_key)


def redact(value: Any) -> Any:
    """Return a value with secret-shaped keys hidden and secret-shaped texts masked.

    A value without secrets is returned as it is, not copied.

    Args:
        value: Maps, lists, texts, or anything else, which is left alone.
    """
    if isinstance(value, str):
        # Nothing that looks like a key is shorter than 13 characters.
        return mask_secrets(value) if len(value) > 12 else value
    if isinstance(value, Mapping):
        if not value:
            return value
        changed = {key: _entry(key, item, value) for key, item in value.items()}
        return value if all(changed[key] is item for key, item in value.items()) else changed
    if isinstance(value, (list, tuple)):
        items = [redact(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return items if isinstance(value, list) else tuple(items)
    return value


def _entry(key: Any, value: Any, around: Mapping[Any, Any]) -> Any:
    if not isinstance(key, str) or value is None or not _is_secret(key) or _OWN_FIELDS.get(key) in around:
        return redact(value)
    # Beside a number, `token` speaks of how many, or of what they cost.
    return value if isinstance(value, (int, float)) and "token" in key.lower() else HIDDEN


_KEY = re.compile(r'"([^"\\]{1,100})":')
_NUMBERS = frozenset({"input_cost_per_token", "output_cost_per_token"})


def redact_json(text: str) -> str:
    """Return a session's JSON with secrets hidden, as `redact` does it.

    Sessions without anything suspicious, which is most of them, are only searched and not taken apart.

    Args:
        text: Compact JSON.
    """
    suspicious = {key for key in set(_KEY.findall(text)) if _is_secret(key)} - _NUMBERS
    if suspicious == {"session_id"} and text.count('"session_id":') == text.count('"tactic_name":'):
        suspicious.clear()
    if not suspicious and not looks_secret(text):
        return text
    return json.dumps(redact(json.loads(text)), ensure_ascii=False, separators=(",", ":"))

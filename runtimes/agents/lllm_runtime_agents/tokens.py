"""Estimating how many tokens a dialog takes, and how many a model has room for."""

from __future__ import annotations

import json

from lllm_runtime_agents.message import Message
from lllm_runtime_agents.roles import Modalities

__all__ = ["context_window", "estimate_text", "estimate_tokens"]

_PER_MESSAGE = 4
_PER_IMAGE = 765
_UNKNOWN = 8192

_WINDOWS = {
    "gpt-5": 400_000,
    "gpt-4.1": 1_047_576,
    "gpt-4o": 128_000,
    "gpt-4-turbo": 128_000,
    "gpt-4-32k": 32_768,
    "gpt-4": 8192,
    "gpt-3.5-turbo": 16_385,
    "o1": 200_000,
    "o3": 200_000,
    "o4-mini": 200_000,
    "claude": 200_000,
    "gemini-1.5-pro": 2_097_152,
    "gemini": 1_048_576,
    "deepseek": 128_000,
    "mistral": 128_000,
    "llama-3": 128_000,
    "qwen": 131_072,
    "grok": 131_072,
    "command": 128_000,
}


def context_window(model: str) -> int:
    """Return how many tokens a model reads and writes together.

    Args:
        model: Name of the model, with or without `provider:` or `provider/` before it; an unknown one counts as
            8192.
    """
    bare = model.rsplit("/", 1)[-1].rsplit(":", 1)[-1].lower()
    known = [prefix for prefix in _WINDOWS if bare.startswith(prefix)]
    return _WINDOWS[max(known, key=len)] if known else _UNKNOWN


def estimate_text(text: str) -> int:
    """Return about how many tokens a text takes: four ASCII characters, or one other, make one.

    Args:
        text: The text.
    """
    if text.isascii():
        return (len(text) + 3) // 4
    other = sum(1 for character in text if not character.isascii())
    return other + (len(text) - other + 3) // 4


def estimate_tokens(message: Message) -> int:
    """Return about how many tokens a message takes.

    Args:
        message: The message.
    """
    content = _PER_IMAGE if message.modality is Modalities.IMAGE else estimate_text(message.text)
    calls = sum(
        estimate_text(call.name + json.dumps(call.arguments, default=str)) for call in message.function_calls
    )
    return _PER_MESSAGE + content + calls

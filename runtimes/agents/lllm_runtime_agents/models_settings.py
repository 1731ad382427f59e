"""Model arguments as settings of Pydantic AI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic_ai.settings import ModelSettings

__all__ = ["model_settings"]

_RENAMED = {
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stop": "stop_sequences",
    "reasoning_effort": "openai_reasoning_effort",
    "logprobs": "openai_logprobs",
    "top_logprobs": "openai_top_logprobs",
    "user": "openai_user",
}
_KNOWN = frozenset(ModelSettings.__annotations__) | set(_RENAMED.values())
_PROVIDER_PREFIXES = (
    *("openai_", "anthropic_", "google_", "groq_", "bedrock_", "mistral_", "cohere_"),
    *("openrouter_", "xai_", "huggingface_", "cerebras_", "gateway_"),
)


def model_settings(base: Mapping[str, Any], model_args: Mapping[str, Any], timeout: float) -> ModelSettings:
    """Return the settings of one request; what the library does not know goes into the request's body.

    Args:
        base: `settings` of the invoker's config.
        model_args: The agent's arguments; they go over the settings.
        timeout: Seconds that the request may take.
    """
    # Repeats are counted and paid for by the call loop, so the library makes none of its own.
    settings: dict[str, Any] = {"timeout": timeout, "max_retries": 0, **base}
    extra: dict[str, Any] = {}
    for name, value in model_args.items():
        target = _RENAMED.get(name, name)
        if value is None:
            continue
        if target == "stop_sequences" and isinstance(value, str):
            settings[target] = [value]
        elif target in _KNOWN or target.startswith(_PROVIDER_PREFIXES):
            settings[target] = value
        else:
            extra[name] = value
    if extra:
        settings["extra_body"] = {**(settings.get("extra_body") or {}), **extra}
    return cast(ModelSettings, settings)

"""What a reply cost: the provider's own figure, the price data, or the prices of the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_ai.messages import ModelResponse

__all__ = ["usage_of"]

_MILLION = 1_000_000


def usage_of(
    response: ModelResponse, prices: Mapping[str, Mapping[str, float]], asked_for: str
) -> dict[str, Any]:
    """Return token counts and prices of a reply, in the keys of `InvokeCost.from_usage`.

    Args:
        response: The reply.
        prices: Model name to dollars per million `input`, `output` and `cached` tokens; goes over everything.
        asked_for: Name of the model as the config writes it.
    """
    counted = response.usage
    usage: dict[str, Any] = {
        "prompt_tokens": counted.input_tokens,
        "completion_tokens": counted.output_tokens,
        "total_tokens": counted.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": counted.cache_read_tokens,
            "audio_tokens": counted.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": getattr(counted, "output_reasoning_tokens", 0)
            or counted.details.get("reasoning_tokens", 0),
            "audio_tokens": counted.output_audio_tokens,
        },
    }
    names = (asked_for, asked_for.partition(":")[2], response.model_name or "")
    own = next((prices[name] for name in names if name in prices), None)
    usage.update(_from_prices(own, usage) if own is not None else _from_library(response))
    return usage


def _from_prices(price: Mapping[str, float], usage: Mapping[str, Any]) -> dict[str, float]:
    cached = usage["prompt_tokens_details"]["cached_tokens"] if "cached" in price else 0
    rates = {
        "input_cost_per_token": float(price.get("input", 0)) / _MILLION,
        "output_cost_per_token": float(price.get("output", 0)) / _MILLION,
        "cache_read_input_token_cost": float(price.get("cached", 0)) / _MILLION,
    }
    read = (usage["prompt_tokens"] - cached) * rates["input_cost_per_token"]
    prompt_cost = read + cached * rates["cache_read_input_token_cost"]
    completion_cost = usage["completion_tokens"] * rates["output_cost_per_token"]
    return {
        **rates,
        "prompt_cost": prompt_cost,
        "completion_cost": completion_cost,
        "response_cost": prompt_cost + completion_cost,
    }


def _from_library(response: ModelResponse) -> dict[str, float]:
    reported = getattr(response.usage, "cost", None)
    if reported is not None:
        return {"response_cost": float(reported)}
    try:
        price = response.cost()
    except (LookupError, ValueError, AssertionError):
        return {}
    return {
        "prompt_cost": float(price.input_price),
        "completion_cost": float(price.output_price),
        "response_cost": float(price.total_price),
    }

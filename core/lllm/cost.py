"""What models cost: tokens and dollars, read from what providers report, and added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from lllm.assembly import assembled

__all__ = ["InvokeCost", "is_priced", "number_in", "total_cost"]


class InvokeCost(BaseModel):
    """Tokens and dollars of one model call, or of many added up.

    Rates are dollars per token and only meaningful for a single call: adding two costs sets them to zero.
    """

    model_config = ConfigDict(defer_build=True)

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_prompt_tokens: int = 0
    reasoning_tokens: int = 0
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0
    input_cost_per_token: float = 0.0
    output_cost_per_token: float = 0.0
    cache_read_input_token_cost: float = 0.0
    prompt_cost: float = 0.0
    completion_cost: float = 0.0
    cost: float = 0.0

    @classmethod
    def from_usage(cls, usage: Mapping[str, Any]) -> Self:
        """Read the usage map that model providers answer with.

        Args:
            usage: Token counts `prompt_tokens`, `completion_tokens`, `total_tokens`, details under
                `prompt_tokens_details` and `completion_tokens_details`, rates in dollars per token, and dollars in
                `prompt_cost`, `completion_cost` and `response_cost`. Whatever is None or absent counts as zero.
        """
        fields: dict[str, Any] = {}
        for name, value in usage.items():
            if name in _USAGE:
                _take(_USAGE[name], value, fields)
            elif name in _DETAILS and isinstance(value, Mapping):
                for inner, field in _DETAILS[name].items():
                    _take(field, value.get(inner), fields)
        if "total_tokens" not in fields:
            fields["total_tokens"] = fields.get("prompt_tokens", 0) + fields.get("completion_tokens", 0)
        return assembled(cls, {**_NOTHING, **fields})

    def __add__(self, other: InvokeCost) -> InvokeCost:
        if not isinstance(other, InvokeCost):
            return NotImplemented
        return total_cost((self, other))

    def __radd__(self, other: object) -> InvokeCost:
        """Let `sum()` start from 0."""
        return self if other == 0 else NotImplemented

    def __str__(self) -> str:
        return (
            f"Tokens: {self.total_tokens} (Prompt: {self.prompt_tokens}, Completion: {self.completion_tokens}, "
            f"Cached: {self.cached_prompt_tokens}, Reasoning: {self.reasoning_tokens})\n"
            f"Cost Breakdown: Prompt: ${self.prompt_cost:.6f}, Completion: ${self.completion_cost:.6f}, "
            f"Total Cost: ${self.cost:.6f}"
        )


_RATES = {"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"}
_NOTHING = {name: field.default for name, field in InvokeCost.model_fields.items()}
_SUMMED = tuple(name for name in InvokeCost.model_fields if name not in _RATES)

_USAGE = {
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
    "total_tokens": "total_tokens",
    "prompt_cost": "prompt_cost",
    "completion_cost": "completion_cost",
    "response_cost": "cost",
    **{name: name for name in _RATES},
}
_DETAILS = {
    "prompt_tokens_details": {"cached_tokens": "cached_prompt_tokens", "audio_tokens": "audio_prompt_tokens"},
    "completion_tokens_details": {
        "reasoning_tokens": "reasoning_tokens",
        "audio_tokens": "audio_completion_tokens",
    },
}


def _take(field: str, value: Any, fields: dict[str, Any]) -> None:
    """Keep a number of a usage map; what is zero, absent or no number stays at its default."""
    number = value if type(value) is int else _finite(value)
    if number:
        fields[field] = int(number) if field.endswith("_tokens") else float(number)


def _finite(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return value
    return 0


def number_in(usage: Mapping[str, Any], key: str) -> float:
    """Return a number of a usage map; what is absent or no number counts as zero.

    Args:
        usage: A map of counts and prices.
        key: Its key.
    """
    return _finite(usage.get(key))


def is_priced(usage: Mapping[str, Any]) -> bool:
    """Tell whether a usage map carries a known price.

    Args:
        usage: A map as for `InvokeCost.from_usage`.
    """
    price = usage.get("response_cost")
    return isinstance(price, (int, float)) and not isinstance(price, bool)


def total_cost(costs: Iterable[InvokeCost]) -> InvokeCost:
    """Add costs up.

    Args:
        costs: Costs of single calls or of many.
    """
    totals = dict(_NOTHING)
    for cost in costs:
        values = cost.__dict__
        for name in _SUMMED:
            totals[name] += values[name]
    return assembled(InvokeCost, totals)

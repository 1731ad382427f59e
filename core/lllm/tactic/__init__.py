"""Tactics: typed units of work, how they describe themselves, and where their classes are found."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lllm.tactic.boundary import Tactic
from lllm.tactic.registry import build_tactic, get_tactic_class, register_tactic_class

if TYPE_CHECKING:
    from lllm.tactic.endpoints import (
        EndpointSpec,
        custom_endpoints,
        endpoint,
        endpoint_path_key,
        endpoint_route_key,
    )
    from lllm.tactic.info import TacticInfo, tactic_resource

__all__ = [
    "EndpointSpec",
    "Tactic",
    "TacticInfo",
    "build_tactic",
    "custom_endpoints",
    "endpoint",
    "endpoint_path_key",
    "endpoint_route_key",
    "get_tactic_class",
    "register_tactic_class",
    "tactic_resource",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "lllm.tactic.info" if name in {"TacticInfo", "tactic_resource"} else "lllm.tactic.endpoints"
    return getattr(import_module(module), name)

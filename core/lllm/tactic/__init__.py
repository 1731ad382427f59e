"""Tactics: typed units of work, how they describe themselves, and where their classes are found."""

from lllm.tactic.boundary import Tactic
from lllm.tactic.endpoints import (
    EndpointSpec,
    custom_endpoints,
    endpoint,
    endpoint_path_key,
    endpoint_route_key,
)
from lllm.tactic.info import TacticInfo, tactic_resource
from lllm.tactic.registry import build_tactic, get_tactic_class, register_tactic_class

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

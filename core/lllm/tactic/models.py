"""The models that calls use, imported at the first call.

Defining a tactic needs none of them, and building six pydantic models takes longer than importing the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm.context import CallContext, check_deadline, fresh_context
    from lllm.tactic.info import TacticInfo
    from lllm.trace import CallResult, CallTrace

__all__ = ["CallContext", "CallResult", "CallTrace", "TacticInfo", "check_deadline", "fresh_context"]

_MODULES = {
    "CallContext": "lllm.context",
    "CallResult": "lllm.trace",
    "CallTrace": "lllm.trace",
    "TacticInfo": "lllm.tactic.info",
    "check_deadline": "lllm.context",
    "fresh_context": "lllm.context",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    # Kept here, so that every further access is a plain look-up: calls pay for it.
    globals()[name] = value
    return value

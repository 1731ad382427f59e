"""Pydantic AI agents as LLLM tactics.

Importing `lllm_runtime_pydantic_ai.plugin` imports this package first, so the names are resolved on first use, and
the library is imported then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_runtime_pydantic_ai.config import PydanticAITacticConfig
    from lllm_runtime_pydantic_ai.deps import ContextDeps, with_context
    from lllm_runtime_pydantic_ai.errors import (
        AgentCancelled,
        AgentError,
        AgentRefused,
        AgentTimeout,
        ModelError,
        ModelOverloaded,
        ModelRateLimited,
        RetriesExhausted,
        ToolError,
        UnusableReply,
    )
    from lllm_runtime_pydantic_ai.runtime import PydanticAIRuntime
    from lllm_runtime_pydantic_ai.tactic import PydanticAITactic
    from lllm_runtime_pydantic_ai.tools import tactic_as_tool
    from lllm_runtime_pydantic_ai.toolset import TacticToolset

__all__ = [
    "AgentCancelled",
    "AgentError",
    "AgentRefused",
    "AgentTimeout",
    "ContextDeps",
    "ModelError",
    "ModelOverloaded",
    "ModelRateLimited",
    "PydanticAIRuntime",
    "PydanticAITactic",
    "PydanticAITacticConfig",
    "RetriesExhausted",
    "TacticToolset",
    "ToolError",
    "UnusableReply",
    "tactic_as_tool",
    "with_context",
]

_MODULES = {
    "AgentCancelled": "errors",
    "AgentError": "errors",
    "AgentRefused": "errors",
    "AgentTimeout": "errors",
    "ContextDeps": "deps",
    "ModelError": "errors",
    "ModelOverloaded": "errors",
    "ModelRateLimited": "errors",
    "PydanticAIRuntime": "runtime",
    "PydanticAITactic": "tactic",
    "PydanticAITacticConfig": "config",
    "RetriesExhausted": "errors",
    "TacticToolset": "toolset",
    "ToolError": "errors",
    "UnusableReply": "errors",
    "tactic_as_tool": "tools",
    "with_context": "deps",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pydantic_ai":
            raise
        raise ImportError(f"{name} needs Pydantic AI: pip install 'pydantic-ai-slim>=2.40,<3'") from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__

"""Tactics behind HTTP, called like local ones.

Importing `lllm_runtime_remote.plugin` imports this package first, so the names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_runtime_remote.errors import RemoteTacticError, StreamTruncated
    from lllm_runtime_remote.runtime import RemoteRuntime
    from lllm_runtime_remote.tactic import RemoteTactic

__all__ = ["RemoteRuntime", "RemoteTactic", "RemoteTacticError", "StreamTruncated"]

_MODULES = {
    "RemoteRuntime": "runtime",
    "RemoteTactic": "tactic",
    "RemoteTacticError": "errors",
    "StreamTruncated": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

"""Plain Python callables as LLLM tactics.

Importing `lllm_runtime_callable.plugin` imports this package first, so the names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_runtime_callable.runtime import CallableRuntime
    from lllm_runtime_callable.signature import CallableSignature, read_signature
    from lllm_runtime_callable.tactic import AsyncGeneratorTactic, CallableTactic, GeneratorTactic

__all__ = [
    "AsyncGeneratorTactic",
    "CallableRuntime",
    "CallableSignature",
    "CallableTactic",
    "GeneratorTactic",
    "read_signature",
]

_MODULES = {
    "AsyncGeneratorTactic": "tactic",
    "CallableRuntime": "runtime",
    "CallableSignature": "signature",
    "CallableTactic": "tactic",
    "GeneratorTactic": "tactic",
    "read_signature": "signature",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

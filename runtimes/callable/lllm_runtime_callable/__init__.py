"""Plain Python callables as LLLM tactics."""

from __future__ import annotations

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

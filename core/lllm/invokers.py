"""Invokers under the name that the user's tutorials use; they belong to the agents runtime.

Nothing is imported before a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lllm_runtime_agents import (
        BaseInvoker,
        BaseStreamHandler,
        InvokerBuilder,
        build_invoker,
        register_invoker,
    )

__all__ = ["BaseInvoker", "BaseStreamHandler", "InvokerBuilder", "build_invoker", "register_invoker"]


def __getattr__(name: str) -> object:
    from lllm.forwarded import forward

    if name not in __all__:
        raise AttributeError(f"module 'lllm.invokers' has no attribute {name!r}")
    return forward(name, "lllm.invokers")

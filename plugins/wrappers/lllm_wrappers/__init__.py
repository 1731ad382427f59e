"""Tactics around tactics: proxy, sandbox, retry, fallback, cache and limit.

Each looks like the tactic inside, with its types, streams and sessions, and they can be put around each other.
Importing `lllm_wrappers.plugin` imports this package first, so the names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_wrappers.caching import CacheTactic, cache
    from lllm_wrappers.falling_back import FallbackTactic, fallback
    from lllm_wrappers.limiting import LimitTactic, limit
    from lllm_wrappers.proxy import NONE, ErrorHook, ProxyTactic, RecordSink, ValueHook, proxy_tactic
    from lllm_wrappers.records import InMemoryProxyLog, ProxyRecord
    from lllm_wrappers.retrying import RetryTactic, retry
    from lllm_wrappers.sandbox import (
        SandboxedTactic,
        SandboxError,
        SandboxLimitError,
        SandboxPolicy,
        SandboxTimeoutError,
        sandbox_tactic,
    )
    from lllm_wrappers.wrapper import Wrapper

__all__ = [
    "CacheTactic",
    "ErrorHook",
    "FallbackTactic",
    "InMemoryProxyLog",
    "LimitTactic",
    "NONE",
    "ProxyRecord",
    "ProxyTactic",
    "RecordSink",
    "RetryTactic",
    "SandboxError",
    "SandboxLimitError",
    "SandboxPolicy",
    "SandboxTimeoutError",
    "SandboxedTactic",
    "ValueHook",
    "Wrapper",
    "cache",
    "fallback",
    "limit",
    "proxy_tactic",
    "retry",
    "sandbox_tactic",
]

_MODULES = {
    "CacheTactic": "caching",
    "ErrorHook": "proxy",
    "FallbackTactic": "falling_back",
    "InMemoryProxyLog": "records",
    "LimitTactic": "limiting",
    "NONE": "proxy",
    "ProxyRecord": "records",
    "ProxyTactic": "proxy",
    "RecordSink": "proxy",
    "RetryTactic": "retrying",
    "SandboxError": "sandbox",
    "SandboxLimitError": "sandbox",
    "SandboxPolicy": "sandbox",
    "SandboxTimeoutError": "sandbox",
    "SandboxedTactic": "sandbox",
    "ValueHook": "proxy",
    "Wrapper": "wrapper",
    "cache": "caching",
    "fallback": "falling_back",
    "limit": "limiting",
    "proxy_tactic": "proxy",
    "retry": "retrying",
    "sandbox_tactic": "sandbox",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

"""Tactics around tactics: proxy, sandbox, retry, fallback, cache and limit.

Each looks like the tactic inside, with its types, streams and sessions, and they can be put around each other.
"""

from lllm_wrappers.cache import CacheTactic, cache
from lllm_wrappers.fallback import FallbackTactic, fallback
from lllm_wrappers.limit import LimitTactic, limit
from lllm_wrappers.proxy import NONE, ErrorHook, ProxyTactic, RecordSink, ValueHook, proxy_tactic
from lllm_wrappers.records import InMemoryProxyLog, ProxyRecord
from lllm_wrappers.retry import RetryTactic, retry
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
    "NONE",
    "CacheTactic",
    "ErrorHook",
    "FallbackTactic",
    "InMemoryProxyLog",
    "LimitTactic",
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

"""Tactics and stores as one FastAPI application.

Importing `lllm_serve.plugin` imports this package first, so the names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_serve.app import create_service_app, create_tactic_app
    from lllm_serve.auth import BearerToken
    from lllm_serve.draining import drain_on_signals
    from lllm_serve.encoding import OutputEncodingError
    from lllm_serve.failures import Failure, Refusal
    from lllm_serve.idempotency import IdempotencyConflict, IdempotencyStore, StoredReply
    from lllm_serve.models import ErrorDetail, ErrorResponse, RunRequest, RunResponse
    from lllm_serve.policy import TacticPolicy
    from lllm_serve.service import Service
    from lllm_serve.stores import create_store_app, mount_store

__all__ = [
    "BearerToken",
    "ErrorDetail",
    "ErrorResponse",
    "Failure",
    "IdempotencyConflict",
    "IdempotencyStore",
    "OutputEncodingError",
    "Refusal",
    "RunRequest",
    "RunResponse",
    "Service",
    "StoredReply",
    "TacticPolicy",
    "create_service_app",
    "create_store_app",
    "create_tactic_app",
    "drain_on_signals",
    "mount_store",
]

_MODULES = {
    "BearerToken": "auth",
    "ErrorDetail": "models",
    "ErrorResponse": "models",
    "Failure": "failures",
    "IdempotencyConflict": "idempotency",
    "IdempotencyStore": "idempotency",
    "OutputEncodingError": "encoding",
    "Refusal": "failures",
    "RunRequest": "models",
    "RunResponse": "models",
    "Service": "service",
    "StoredReply": "idempotency",
    "TacticPolicy": "policy",
    "create_service_app": "app",
    "create_store_app": "stores",
    "create_tactic_app": "app",
    "drain_on_signals": "draining",
    "mount_store": "stores",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

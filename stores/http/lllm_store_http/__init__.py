"""Stores behind HTTP, and the wire codec that they share with the clients of `sssn`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_store_http.aio import AsyncHTTPStore
    from lllm_store_http.store import HTTPStore

__all__ = ["AsyncHTTPStore", "HTTPStore"]

_MODULES = {"AsyncHTTPStore": "lllm_store_http.aio", "HTTPStore": "lllm_store_http.store"}


def __getattr__(name: str) -> Any:
    # The plugin host imports this package for its hooks alone; the store comes when it is opened.
    try:
        value = getattr(import_module(_MODULES[name]), name)
    except KeyError:
        raise AttributeError(f"module 'lllm_store_http' has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

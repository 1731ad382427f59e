"""LLLM stores in an append-only log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_store_file.store import Durability, FileStore

__all__ = ["Durability", "FileStore"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from lllm_store_file import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

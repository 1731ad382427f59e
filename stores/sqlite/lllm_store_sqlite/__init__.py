"""LLLM stores in one SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_store_sqlite.store import SQLiteStore, Synchronous

__all__ = ["SQLiteStore", "Synchronous"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from lllm_store_sqlite import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

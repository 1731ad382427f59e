"""Durable channels, and the protocol of the stores that keep them.

`open_store` opens one; `Store` is what every backend offers; `BackendStore` implements it for backends that
bring only the primitives of `lllm.store.backend`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm.store.aio import AsyncStore
    from lllm.store.artifact_files import ArtifactFiles
    from lllm.store.backed import BackendStore
    from lllm.store.backend import Backend, Reader, Writer
    from lllm.store.memory import MemoryStore
    from lllm.store.models import Artifact, Channel, ChannelForm, Event, Snapshot, Subscription
    from lllm.store.pages import page_token
    from lllm.store.protocol import Store
    from lllm.store.reports import (
        CheckReport,
        CommitResult,
        Delivery,
        Retention,
        RetentionReport,
        SubscriptionLag,
    )
    from lllm.store.urls import directory_of, open_store

__all__ = [
    "Artifact",
    "ArtifactFiles",
    "AsyncStore",
    "Backend",
    "BackendStore",
    "Channel",
    "ChannelForm",
    "CheckReport",
    "CommitResult",
    "Delivery",
    "Event",
    "MemoryStore",
    "Reader",
    "Retention",
    "RetentionReport",
    "Snapshot",
    "Store",
    "Subscription",
    "SubscriptionLag",
    "Writer",
    "directory_of",
    "open_store",
    "page_token",
]

_MODULES = {
    "Artifact": "models",
    "ArtifactFiles": "artifact_files",
    "AsyncStore": "aio",
    "Backend": "backend",
    "BackendStore": "backed",
    "Channel": "models",
    "ChannelForm": "models",
    "CheckReport": "reports",
    "CommitResult": "reports",
    "Delivery": "reports",
    "Event": "models",
    "MemoryStore": "memory",
    "Reader": "backend",
    "Retention": "reports",
    "RetentionReport": "reports",
    "Snapshot": "models",
    "Store": "protocol",
    "Subscription": "models",
    "SubscriptionLag": "reports",
    "Writer": "backend",
    "directory_of": "urls",
    "open_store": "urls",
    "page_token": "pages",
}


def __getattr__(name: str) -> Any:
    # `lllm plugins list` and the command line import this package without pydantic behind it.
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

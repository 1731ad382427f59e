"""The data-plane face of LLLM: durable channels, subscriptions, artifacts and snapshots.

`import sssn` imports almost nothing: public names are resolved on first access.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lllm import __version__

if TYPE_CHECKING:
    from lllm.errors import (
        ArtifactCorruptError,
        ArtifactNotFoundError,
        ChannelExistsError,
        ChannelNotFoundError,
        EventConflictError,
        EventNotFoundError,
        InvalidPayloadError,
        LeaseLostError,
        SnapshotConflictError,
        SnapshotNotFoundError,
        SSSNError,
        StoreBusyError,
        StoreClosedError,
        StoreFormatError,
        StoreURLError,
        SubscriptionExistsError,
        SubscriptionNotFoundError,
    )
    from lllm.store import (
        Artifact,
        Channel,
        ChannelForm,
        CommitResult,
        Delivery,
        Event,
        Snapshot,
        Subscription,
        SubscriptionLag,
        open_store,
    )
    from lllm_store_sqlite import SQLiteStore as LocalStore
    from sssn.client import AsyncSSSNClient, SSSNClient
    from sssn.endpoints import EndpointScope, StoreEndpointSpec, endpoint
    from sssn.errors import SSSNClientError, SSSNRefError
    from sssn.integrations import channel_resource, snapshot_resource
    from sssn.processing import process
    from sssn.refs import ResolvedSSSNRef, SSSNRef
    from sssn.resolver import SSSNResolver
    from sssn.server import create_app

__all__ = [
    "Artifact",
    "ArtifactCorruptError",
    "ArtifactNotFoundError",
    "AsyncSSSNClient",
    "Channel",
    "ChannelExistsError",
    "ChannelForm",
    "ChannelNotFoundError",
    "CommitResult",
    "Delivery",
    "EndpointScope",
    "Event",
    "EventConflictError",
    "EventNotFoundError",
    "InvalidPayloadError",
    "LeaseLostError",
    "LocalStore",
    "ResolvedSSSNRef",
    "SSSNClient",
    "SSSNClientError",
    "SSSNError",
    "SSSNRef",
    "SSSNRefError",
    "SSSNResolver",
    "Snapshot",
    "SnapshotConflictError",
    "SnapshotNotFoundError",
    "StoreBusyError",
    "StoreClosedError",
    "StoreEndpointSpec",
    "StoreFormatError",
    "StoreURLError",
    "Subscription",
    "SubscriptionExistsError",
    "SubscriptionLag",
    "SubscriptionNotFoundError",
    "__version__",
    "channel_resource",
    "create_app",
    "endpoint",
    "open_store",
    "process",
    "snapshot_resource",
]

_MODULES = {
    "lllm.errors": (
        "ArtifactCorruptError ArtifactNotFoundError ChannelExistsError ChannelNotFoundError EventConflictError "
        "EventNotFoundError InvalidPayloadError LeaseLostError SSSNError SnapshotConflictError "
        "SnapshotNotFoundError StoreBusyError StoreClosedError StoreFormatError StoreURLError "
        "SubscriptionExistsError SubscriptionNotFoundError"
    ),
    "lllm.store": (
        "Artifact Channel ChannelForm CommitResult Delivery Event Snapshot Subscription SubscriptionLag open_store"
    ),
    "sssn.client": "AsyncSSSNClient SSSNClient",
    "sssn.endpoints": "EndpointScope StoreEndpointSpec endpoint",
    "sssn.errors": "SSSNClientError SSSNRefError",
    "sssn.integrations": "channel_resource snapshot_resource",
    "sssn.processing": "process",
    "sssn.refs": "ResolvedSSSNRef SSSNRef",
    "sssn.resolver": "SSSNResolver",
    "sssn.server": "create_app",
}
_SOURCES = {name: (module, name) for module, names in _MODULES.items() for name in names.split()}
_SOURCES["LocalStore"] = ("lllm_store_sqlite", "SQLiteStore")


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _SOURCES[name]
    except KeyError:
        raise AttributeError(f"module 'sssn' has no attribute {name!r}") from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

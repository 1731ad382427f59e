"""The Store protocol: what every backend offers, embedded or behind HTTP.

All methods are synchronous, safe to call from all threads, raise on failure and return owned copies.
"""

from __future__ import annotations

from lllm.store.protocol.artifacts import ArtifactOperations
from lllm.store.protocol.channels import ChannelOperations
from lllm.store.protocol.events import EventOperations
from lllm.store.protocol.lineage import LineageOperations
from lllm.store.protocol.snapshots import SnapshotOperations
from lllm.store.protocol.subscriptions import LeaseOperations, SubscriptionOperations
from lllm.store.protocol.upkeep import LifeCycle, MaintenanceOperations, RetentionOperations

__all__ = ["Store"]


class Store(
    ChannelOperations,
    EventOperations,
    SubscriptionOperations,
    LeaseOperations,
    LineageOperations,
    ArtifactOperations,
    SnapshotOperations,
    RetentionOperations,
    MaintenanceOperations,
    LifeCycle,
):
    """Durable channels of events, with subscriptions, artifacts and snapshots.

    What an acknowledgement promises:

    1. When a write returns, its data survive a killed process, a crash of the operating system and loss
       of power, on storage that honours flushes (durability `disk`, the default).
    2. Each input of a subscription yields its outputs exactly once in the store, however often workers
       die: `commit` finishes inputs and appends outputs together, and a stale token appends nothing.
    3. Within a channel, order is total, dense and never changes: whoever has seen cursor c never later
       finds an event at or below c that was not there.

    `lllm.testing.StoreConformance` decides whether a class is a Store.
    """

"""`BackendStore`: the whole Store protocol on the primitives of one backend."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from lllm.store.backed.artifacts import BackedArtifacts
from lllm.store.backed.channels import BackedChannels
from lllm.store.backed.events import BackedEvents
from lllm.store.backed.lineage import BackedLineage
from lllm.store.backed.maintenance import BackedMaintenance
from lllm.store.backed.retention import BackedRetention
from lllm.store.backed.snapshots import BackedSnapshots
from lllm.store.backed.subscriptions import BackedSubscriptions
from lllm.store.protocol import Store

if TYPE_CHECKING:
    from lllm.store.aio import AsyncStore

__all__ = ["BackendStore"]


class BackendStore(
    BackedChannels,
    BackedEvents,
    BackedSubscriptions,
    BackedLineage,
    BackedArtifacts,
    BackedSnapshots,
    BackedRetention,
    BackedMaintenance,
    Store,
):
    """A store whose rows a backend keeps. Checks and semantics are the same for every backend.

    Args:
        backend: Where rows, documents and bytes are kept; the store closes it.
    """

    def close(self) -> None:
        """Release every resource; every later call but this one raises StoreClosedError."""
        super().close()
        if "aio" in vars(self):
            self.aio.end_threads()

    @cached_property
    def aio(self) -> AsyncStore:
        """The same store with coroutines."""
        from lllm.store.aio import AsyncStore

        return AsyncStore(self)

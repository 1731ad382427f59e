"""What makes a store a store: a suite of tests for every backend, first-party or not.

A backend's author inherits `StoreConformance` and returns a fresh store from one method:

```python
from lllm.testing import StoreConformance

class TestMyStore(StoreConformance):
    def make_store(self, directory):
        return MyStore(directory)
```

What the store declares in `capabilities()` is tested; what it does not declare is skipped.
"""

from __future__ import annotations

from lllm.testing.stores.artifacts import ArtifactTests
from lllm.testing.stores.asynchronous import AsyncTests
from lllm.testing.stores.batches import BatchTests
from lllm.testing.stores.channels import ChannelTests
from lllm.testing.stores.commits import CommitTests
from lllm.testing.stores.dead_letters import DeadLetterTests
from lllm.testing.stores.events import EventTests
from lllm.testing.stores.leases import LeaseTests
from lllm.testing.stores.life_cycle import LifeCycleTests
from lllm.testing.stores.lineage import LineageTests
from lllm.testing.stores.payloads import PayloadTests
from lllm.testing.stores.queries import QueryTests
from lllm.testing.stores.retention import RetentionTests
from lllm.testing.stores.seeking import SeekTests
from lllm.testing.stores.snapshots import SnapshotTests
from lllm.testing.stores.subscriptions import SubscriptionTests
from lllm.testing.stores.transfer import TransferTests
from lllm.testing.stores.waiting import WaitingTests

__all__ = ["StoreConformance"]


class StoreConformance(
    ChannelTests,
    EventTests,
    PayloadTests,
    BatchTests,
    QueryTests,
    WaitingTests,
    SubscriptionTests,
    LeaseTests,
    DeadLetterTests,
    CommitTests,
    SeekTests,
    LineageTests,
    ArtifactTests,
    SnapshotTests,
    RetentionTests,
    TransferTests,
    LifeCycleTests,
    AsyncTests,
):
    """Tests that every store passes; inherit it in a class whose name begins with `Test`.

    Only `make_store` must be implemented.
    """

"""Opening, closing and forking."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from lllm.errors import StoreClosedError
from lllm.store import Store
from lllm.testing.stores.suite import Suite, fill, needs, payloads, refused, trying

CALLS: list[Callable[[Store], Any]] = [
    lambda store: store.create_channel({"name": "x"}),
    lambda store: store.list_channels(),
    lambda store: store.get_channel("raw"),
    lambda store: store.append_event({"channel": "raw"}),
    lambda store: store.append_events([{"channel": "raw"}]),
    lambda store: store.append_events([]),
    lambda store: store.query_events("raw"),
    lambda store: store.get_event("e"),
    lambda store: store.create_subscription("raw"),
    lambda store: store.list_subscriptions(),
    lambda store: store.pull_subscription("w"),
    lambda store: store.lease("w"),
    lambda store: store.ack("token"),
    lambda store: store.commit(),
    lambda store: store.trace("c"),
    lambda store: store.write_artifact(b"x"),
    lambda store: store.read_artifact("a"),
    lambda store: store.put_snapshot({"name": "n"}),
    lambda store: store.get_snapshot("n"),
    lambda store: store.apply_retention(),
    lambda store: store.check(),
    lambda store: store.stats(),
    lambda store: store.wait_events("raw", after_cursor=0, timeout=0),
]


class LifeCycleTests(Suite):
    """`close`, the context manager, reopening and forks."""

    def test_a_closed_store_says_so(self, store: Store) -> None:
        """Every call raises the same error."""
        store.close()
        for number, call in enumerate(CALLS):
            with trying(f"call {number}"), refused(StoreClosedError, "Store is closed."):
                call(store)

    def test_closing_twice_is_no_error(self, store: Store) -> None:
        """The second time does nothing."""
        store.close()
        store.close()

    def test_a_store_is_a_context_manager(self, directory: Path) -> None:
        """It is closed at the end of the block."""
        with self.make_store(directory) as store:
            store.create_channel({"name": "a"})
        with pytest.raises(StoreClosedError):
            store.list_channels()

    def test_what_was_acknowledged_is_there_after_reopening(self, store: Store, directory: Path) -> None:
        """Everything, with cursors, revisions and leases."""
        fill(store, 3)
        store.create_subscription("raw", subscription_id="w")
        held = store.lease("w", limit=2)
        store.put_snapshot({"name": "n", "value": 1})
        artifact = store.write_artifact(b"bytes")
        store.close()
        again = self.reopen(directory)
        if again is None:
            pytest.skip("the store keeps nothing")
        with again:
            assert payloads(again.query_events("raw")) == [1, 2, 3]
            assert again.ack(held) == 2
            assert again.get_subscription("w").cursor == 2
            assert again.get_snapshot("n").revision == 1
            assert again.read_artifact(artifact.id) == b"bytes"
            assert again.append_event({"channel": "raw"}).cursor == 4

    def test_two_stores_of_one_place_see_each_other(self, store: Store, directory: Path) -> None:
        """What one has acknowledged, the other finds."""
        needs(store, "multi_process")
        second = self.reopen(directory)
        if second is None:
            pytest.skip("the store cannot be opened twice")
        with second:
            assert [
                store.append_event({"channel": "raw"}).cursor,
                second.append_event({"channel": "raw"}).cursor,
            ] == [
                1,
                2,
            ]
            assert store.head("raw") == second.head("raw") == 2
            store.create_subscription("raw", subscription_id="w")
            assert len(second.lease("w", limit=1)) == 1
            assert len(store.lease("w")) == 1
            assert second.lease("w") == ()

    def test_waiting_sees_what_another_store_appends(self, store: Store, directory: Path) -> None:
        """Soon after it was appended."""
        needs(store, "multi_process")
        second = self.reopen(directory)
        if second is None:
            pytest.skip("the store cannot be opened twice")
        with second:
            timer = Timer(0.1, lambda: second.append_event({"channel": "raw", "payload": "there"}))
            timer.start()
            assert payloads(store.wait_events("raw", after_cursor=0, timeout=self.patience)) == ["there"]
            timer.join()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_store_survives_a_fork(self, store: Store) -> None:
        """The child and the parent go on appending to one store."""
        needs(store, "multi_process")
        fill(store, 1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if store.append_event({"channel": "raw", "payload": "child"}).cursor == 2:
                    status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store.append_event({"channel": "raw", "payload": "parent"}).cursor == 3
        assert payloads(store.query_events("raw")) == [1, "child", "parent"]

    def test_descriptors_do_not_pile_up(self, store: Store) -> None:
        """However many calls there are, and without the garbage collector."""
        descriptors = Path("/proc/self/fd")
        if not descriptors.exists():
            pytest.skip("needs /proc")
        store.create_subscription("raw", subscription_id="w")
        made = store.write_artifact(b"x")

        def work() -> None:
            store.append_event({"channel": "raw"})
            store.ack(store.lease("w"))
            store.read_artifact(made.id)
            store.query_events("raw", limit=1)

        gc.disable()
        try:
            for _ in range(20):
                work()
            before = sum(1 for _ in descriptors.iterdir())
            for _ in range(100):
                work()
            assert sum(1 for _ in descriptors.iterdir()) <= before + 2
        finally:
            gc.enable()

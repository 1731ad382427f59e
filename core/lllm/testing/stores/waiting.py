"""Waiting for events."""

from __future__ import annotations

from time import monotonic

import pytest

from lllm.errors import ChannelNotFoundError, StoreClosedError
from lllm.store import Store
from lllm.testing.stores.suite import Suite, after, fill, invalid, payloads


class WaitingTests(Suite):
    """`wait_events` and `tail`."""

    def test_what_is_there_is_returned_at_once(self, store: Store) -> None:
        """Waiting is for what is missing."""
        fill(store, 3)
        started = monotonic()
        assert payloads(store.wait_events("raw", after_cursor=1, timeout=60)) == [2, 3]
        assert payloads(store.wait_events("raw", after_cursor=0, limit=1, timeout=60)) == [1]
        assert monotonic() - started < self.patience

    def test_nothing_in_time_is_an_empty_tuple(self, store: Store) -> None:
        """The timeout ends the wait, and no timeout is no wait."""
        started = monotonic()
        assert store.wait_events("raw", after_cursor=0, timeout=0.1) == ()
        assert 0.05 < monotonic() - started < self.patience
        assert store.wait_events("raw", after_cursor=0, timeout=0) == ()

    def test_an_append_ends_the_wait(self, store: Store) -> None:
        """Whoever waits gets the event soon after it was appended."""
        with after(0.1, lambda: store.append_event({"channel": "raw", "payload": "now"})):
            started = monotonic()
            assert payloads(store.wait_events("raw", after_cursor=0, timeout=60)) == ["now"]
            assert monotonic() - started < self.patience

    def test_only_the_kind_asked_for_ends_the_wait(self, store: Store) -> None:
        """Other kinds do not count."""
        fill(store, 1, kind="other")
        with after(0.05, lambda: fill(store, 1, kind="other")):
            assert store.wait_events("raw", after_cursor=0, kind="wanted", timeout=0.2) == ()

    def test_bad_arguments_do_not_wait(self, store: Store) -> None:
        """They are refused at once."""
        with invalid("timeout"):
            store.wait_events("raw", after_cursor=0, timeout=-1)
        with invalid("after_cursor"):
            store.wait_events("raw", after_cursor=-1, timeout=60)
        with pytest.raises(ChannelNotFoundError):
            store.wait_events("nope", after_cursor=0, timeout=60)

    def test_tail_begins_at_the_head(self, store: Store) -> None:
        """What was there before does not show."""
        fill(store, 2)
        with after(0.1, lambda: fill(store, 2)):
            assert payloads(store.tail("raw", timeout=1.0)) == [1, 2]

    def test_tail_can_begin_anywhere(self, store: Store) -> None:
        """It ends once nothing has arrived for a while."""
        fill(store, 3)
        assert payloads(store.tail("raw", after_cursor=1, timeout=0.05)) == [2, 3]
        assert payloads(store.tail("raw", after_cursor=0, kind="none", timeout=0.05)) == []

    def test_closing_ends_the_wait(self, store: Store) -> None:
        """Nobody waits for a store that is gone."""
        with after(0.1, store.close), pytest.raises(StoreClosedError):
            store.wait_events("raw", after_cursor=0, timeout=self.patience)

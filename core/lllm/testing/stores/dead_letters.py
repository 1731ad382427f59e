"""Events that are given up."""

from __future__ import annotations

from time import sleep

import pytest

from lllm.errors import LeaseLostError
from lllm.store import Store
from lllm.testing.stores.suite import Suite, fill, payloads


class DeadLetterTests(Suite):
    """`max_deliveries`, `dead_letter` and `reject`."""

    @pytest.fixture
    def mortal(self, store: Store) -> Store:
        """Return a store whose subscription `w` gives up after two deliveries."""
        store.append_event(
            {
                "id": "e1",
                "channel": "raw",
                "kind": "k",
                "payload": {"p": 1},
                "schema": "s",
                "source": "src",
                "correlation_id": "c",
                "metadata": {"m": 1},
            }
        )
        fill(store, 1)
        store.create_channel({"name": "dead"})
        store.create_subscription("raw", subscription_id="w", max_deliveries=2, dead_letter="dead")
        return store

    def test_the_last_return_makes_a_dead_letter(self, mortal: Store) -> None:
        """The original is kept in it, with the reason."""
        mortal.nack(mortal.lease("w", limit=1))
        (delivery,) = mortal.lease("w", limit=1)
        assert delivery.attempt == 2
        assert mortal.nack(delivery, error="boom") == 1
        (letter,) = mortal.query_events("dead")
        assert (letter.kind, letter.payload, letter.schema) == ("k", {"p": 1}, "s")
        assert (letter.correlation_id, letter.source) == ("c", "sssn.dead_letter")
        assert letter.parent_ids == ("e1",)
        assert letter.metadata == {
            "m": 1,
            "dead_letter": {
                "subscription": "w",
                "channel": "raw",
                "cursor": 1,
                "attempts": 2,
                "error": "boom",
            },
        }
        assert mortal.get_subscription("w").cursor == 1
        assert payloads(mortal.lease("w")) == [1]
        with pytest.raises(LeaseLostError):
            mortal.ack(delivery)

    def test_the_last_expiry_makes_a_dead_letter(self, mortal: Store) -> None:
        """As soon as somebody asks for events."""
        for _ in range(2):
            assert mortal.lease("w", limit=1, lease_seconds=0.05)[0].event.id == "e1"
            sleep(0.1)
        assert payloads(mortal.lease("w", limit=1)) == [1]
        assert mortal.query_events("dead")[0].metadata["dead_letter"]["attempts"] == 2
        assert mortal.get_subscription("w").cursor == 1

    def test_a_pull_gives_up_too(self, mortal: Store) -> None:
        """Its eligibility is that of a lease."""
        for _ in range(2):
            mortal.lease("w", limit=1, lease_seconds=0.05)
            sleep(0.1)
        assert payloads(mortal.pull_subscription("w")) == [1]
        assert len(mortal.query_events("dead")) == 1

    def test_a_rejected_event_is_given_up_at_once(self, mortal: Store) -> None:
        """Whatever the attempt."""
        delivery = mortal.lease("w", limit=1)
        assert mortal.reject(delivery, error="poison") == 1
        (letter,) = mortal.query_events("dead")
        assert letter.metadata["dead_letter"]["error"] == "poison"
        assert letter.metadata["dead_letter"]["attempts"] == 1
        assert mortal.lag("w").dead_lettered == 1
        with pytest.raises(LeaseLostError):
            mortal.reject(delivery)

    def test_a_dead_letter_is_written_once(self, mortal: Store) -> None:
        """Its id comes from the subscription and the event."""
        mortal.reject(mortal.lease("w", limit=1))
        first = mortal.query_events("dead")
        mortal.seek("w", to="beginning")
        mortal.reject(mortal.lease("w", limit=1))
        assert mortal.query_events("dead") == first

    def test_without_a_channel_the_event_is_finished(self, mortal: Store) -> None:
        """And counted."""
        mortal.update_subscription("w", dead_letter=None)
        mortal.reject(mortal.lease("w", limit=2))
        assert mortal.query_events("dead") == ()
        assert mortal.get_subscription("w").cursor == 2
        assert mortal.lag("w").dead_lettered == 2

    def test_a_missing_channel_does_not_block_the_subscription(self, mortal: Store) -> None:
        """The event is finished, and stays where it is."""
        mortal.delete_channel("dead")
        mortal.reject(mortal.lease("w", limit=1))
        assert mortal.get_subscription("w").cursor == 1
        assert mortal.get_event("e1").payload == {"p": 1}

    def test_without_a_bound_nothing_is_given_up(self, store: Store) -> None:
        """An event can be returned for ever."""
        fill(store, 1)
        store.create_subscription("raw", subscription_id="w", dead_letter="out")
        for attempt in range(1, 8):
            (delivery,) = store.lease("w")
            assert delivery.attempt == attempt
            store.nack(delivery)
        assert store.query_events("out") == ()

    def test_a_message_of_any_text_is_kept(self, mortal: Store) -> None:
        """What a worker reports cannot break the store."""
        mortal.reject(mortal.lease("w", limit=1), error="bad \ud800 text")
        assert "bad" in mortal.query_events("dead")[0].metadata["dead_letter"]["error"]

    def test_a_dead_letter_can_be_consumed(self, mortal: Store) -> None:
        """The channel is one like any other."""
        mortal.create_subscription("dead", subscription_id="undertaker")
        mortal.reject(mortal.lease("w", limit=1))
        (delivery,) = mortal.lease("undertaker")
        assert mortal.parents(delivery.event.id)[0].id == "e1"

"""Leases: at-least-once consumption."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

import pytest

from lllm.errors import InvalidPayloadError, LeaseLostError
from lllm.store import Store
from lllm.testing.stores.suite import Suite, after, fill, invalid, payloads, refused


class LeaseTests(Suite):
    """`lease`, `ack`, `nack`, `release` and `extend`."""

    @pytest.fixture
    def leased(self, store: Store) -> Store:
        """Return a store with five events and the subscription `w`."""
        fill(store, 5)
        store.create_subscription("raw", subscription_id="w")
        return store

    def test_a_delivery_says_what_it_is(self, leased: Store) -> None:
        """It carries the event, a token, the attempt and the deadline."""
        before = time.time()
        first, second = leased.lease("w", limit=2, lease_seconds=60)
        assert (first.event, second.event) == leased.query_events("raw", limit=2)
        assert first.subscription == "w"
        assert first.attempt == 1
        assert before + 59 < first.deadline < time.time() + 61
        assert len({first.token, second.token}) == 2
        assert min(len(first.token), len(second.token)) >= 16

    def test_a_leased_event_is_held(self, leased: Store) -> None:
        """Nobody else gets it, neither by lease nor by pull; the cursor waits for it."""
        assert payloads(leased.lease("w", limit=2)) == [1, 2]
        assert payloads(leased.lease("w", limit=1)) == [3]
        assert payloads(leased.pull_subscription("w")) == [4, 5]
        assert leased.lease("w") == ()
        assert leased.get_subscription("w").cursor == 0

    def test_the_batch_size_is_the_default_limit(self, leased: Store) -> None:
        """As for pulls."""
        leased.update_subscription("w", batch_size=3)
        assert payloads(leased.lease("w")) == [1, 2, 3]

    def test_lease_times_have_an_order(self, leased: Store) -> None:
        """The call's own time, else the subscription's, else thirty seconds."""
        now = time.time()
        assert 25 < leased.lease("w", limit=1)[0].deadline - now < 35
        leased.update_subscription("w", lease_seconds=100)
        assert 95 < leased.lease("w", limit=1)[0].deadline - now < 105
        assert 495 < leased.lease("w", limit=1, lease_seconds=500)[0].deadline - now < 505

    def test_the_floor_rises_as_far_as_it_is_contiguous(self, leased: Store) -> None:
        """An event that is not finished holds it."""
        first, second, third = leased.lease("w", limit=3)
        assert leased.ack(second) == 1
        assert leased.get_subscription("w").cursor == 0
        leased.ack(first)
        assert leased.get_subscription("w").cursor == 2
        leased.ack([third.token])
        assert leased.get_subscription("w").cursor == 3

    def test_the_floor_of_a_filtered_subscription(self, store: Store) -> None:
        """It is the last finished event that matches."""
        for kind in ("a", "b", "a", "b", "a"):
            fill(store, 1, kind=kind)
        store.create_subscription("raw", subscription_id="w", filters={"kind": "a"})
        first, second, third = store.lease("w")
        assert [delivery.event.cursor for delivery in (first, second, third)] == [1, 3, 5]
        store.ack([first, third])
        assert store.get_subscription("w").cursor == 1
        store.ack(second)
        assert store.get_subscription("w").cursor == 5

    def test_an_expired_lease_is_handed_out_again(self, leased: Store) -> None:
        """With the next attempt and another token, before new events."""
        first = leased.lease("w", limit=2, lease_seconds=0.05)
        sleep(0.1)
        again = leased.lease("w", limit=3)
        assert payloads(again) == [1, 2, 3]
        assert [delivery.attempt for delivery in again] == [2, 2, 1]
        assert {delivery.token for delivery in first}.isdisjoint(delivery.token for delivery in again)

    def test_a_lost_token_is_named(self, leased: Store) -> None:
        """All of them are, nothing happens, and the new token is good."""
        first = leased.lease("w", limit=2, lease_seconds=0.05)
        sleep(0.1)
        again = leased.lease("w", limit=2)
        with refused(LeaseLostError, "Lease is not held: ", first[0].token, first[1].token) as caught:
            leased.ack([first[0], *again, first[1]])
        assert caught.value.tokens == (first[0].token, first[1].token)
        assert leased.get_subscription("w").cursor == 0
        assert leased.ack(again) == 2
        for call in (leased.ack, leased.nack, leased.reject, leased.release):
            with pytest.raises(LeaseLostError):
                call(first)

    def test_an_expired_lease_that_nobody_took_is_good(self, leased: Store) -> None:
        """The deadline only allows others to take it."""
        delivery = leased.lease("w", limit=1, lease_seconds=0.05)
        sleep(0.1)
        assert leased.ack(delivery) == 1
        assert leased.get_subscription("w").cursor == 1

    def test_repeating_an_ack_is_no_error(self, leased: Store) -> None:
        """A retry after a lost answer succeeds, also for a later attempt."""
        first = leased.lease("w", limit=1, lease_seconds=0.05)
        assert leased.ack(first) == 1
        assert leased.ack(first) == 1
        second = leased.lease("w", limit=1, lease_seconds=0.05)
        sleep(0.1)
        again = leased.lease("w", limit=1)
        leased.ack(again)
        assert leased.ack(again) == 1
        with pytest.raises(LeaseLostError):
            leased.ack(second)

    def test_what_acks_accept(self, leased: Store) -> None:
        """A delivery, a token, or any collection of both, each counted once; nothing at all is nothing."""
        deliveries = leased.lease("w")
        assert leased.ack(deliveries[0]) == 1
        assert leased.ack(deliveries[1].token) == 1
        assert leased.ack([deliveries[2], deliveries[3].token, deliveries[3]]) == 2
        assert leased.ack(()) == 0
        assert leased.ack([deliveries[4], deliveries[4]]) == 1

    @pytest.mark.parametrize("value", [None, 5, [5], {"token": "x"}, b"token", [None]], ids=repr)
    def test_what_is_no_token_is_refused(self, leased: Store, value: Any) -> None:
        """It is bad input, not a lost lease."""
        for call in (leased.ack, leased.nack, leased.reject):
            with pytest.raises(InvalidPayloadError):
                call(value)

    @pytest.mark.parametrize(
        "token",
        ["x", "", "1.1.1.0", "1.1.1.000000000000000000000000", "9.1.1.x", "²", "1.2.3.4.5", "a" * 2000],
    )
    def test_an_invented_token_is_lost(self, leased: Store, token: str) -> None:
        """Tokens cannot be guessed."""
        leased.lease("w")
        with pytest.raises(LeaseLostError):
            leased.ack(token)

    def test_a_returned_event_is_handed_out_again(self, leased: Store) -> None:
        """With the next attempt, and the old token is lost."""
        first = leased.lease("w", limit=1)
        assert leased.nack(first, error="later") == 1
        with pytest.raises(LeaseLostError):
            leased.ack(first)
        with pytest.raises(LeaseLostError):
            leased.nack(first)
        (again,) = leased.lease("w", limit=1)
        assert (again.event, again.attempt) == (first[0].event, 2)

    def test_a_delay_is_waited_for(self, leased: Store) -> None:
        """Until then the event is neither leased nor pulled, and holds the floor."""
        leased.nack(leased.lease("w", limit=1), delay=60)
        assert payloads(leased.lease("w", limit=1)) == [2]
        short = leased.lease("w", limit=1)
        leased.nack(short, delay=0.05)
        sleep(0.1)
        assert payloads(leased.lease("w", limit=1)) == payloads(short)
        assert leased.get_subscription("w").cursor == 0

    def test_redeliveries_come_in_cursor_order(self, leased: Store) -> None:
        """However they became redeliveries."""
        deliveries = leased.lease("w", limit=4)
        for place in (2, 0, 3):
            leased.nack(deliveries[place])
        assert payloads(leased.lease("w")) == [1, 3, 4, 5]

    def test_a_pull_takes_redeliveries_too(self, leased: Store) -> None:
        """A pull is a lease and an ack in one step."""
        leased.nack(leased.lease("w", limit=2))
        assert payloads(leased.pull_subscription("w", limit=3)) == [1, 2, 3]
        assert leased.get_subscription("w").cursor == 3

    def test_a_released_event_does_not_count_as_an_attempt_where_it_can(self, leased: Store) -> None:
        """It is handed out again at once."""
        leased.release(leased.lease("w", limit=2))
        again = leased.lease("w", limit=2)
        assert payloads(again) == [1, 2]
        assert all(delivery.attempt in {1, 2} for delivery in again)
        assert leased.ack(again) == 2

    def test_a_lease_can_be_extended(self, leased: Store) -> None:
        """The token stays, the deadline moves, and nobody else takes the event."""
        deliveries = leased.lease("w", limit=2, lease_seconds=0.2)
        extended = leased.extend(deliveries, seconds=60)
        assert [item.token for item in extended] == [item.token for item in deliveries]
        assert [item.event for item in extended] == [item.event for item in deliveries]
        assert extended[0].deadline > time.time() + 50
        sleep(0.3)
        assert payloads(leased.lease("w", limit=1)) == [3]
        assert leased.ack(deliveries) == 2

    def test_only_a_held_lease_can_be_extended(self, leased: Store) -> None:
        """Neither a finished one nor a lost one."""
        first, second = leased.lease("w", limit=2)
        leased.ack(first)
        leased.nack(second)
        for delivery in (first, second):
            with refused(LeaseLostError, delivery.token):
                leased.extend(delivery, seconds=5)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"lease_seconds": 0}, "lease_seconds"),
            ({"lease_seconds": -1}, "lease_seconds"),
            ({"lease_seconds": float("nan")}, "lease_seconds"),
            ({"lease_seconds": "5"}, "lease_seconds"),
            ({"wait": -1}, "wait"),
            ({"wait": float("inf")}, "wait"),
            ({"limit": 0}, "limit"),
        ],
        ids=str,
    )
    def test_bad_arguments_are_refused_for_leases(
        self, leased: Store, options: dict[str, Any], text: str
    ) -> None:
        """The text names the argument, and nothing is leased."""
        with invalid(text):
            leased.lease("w", **options)
        assert leased.lag("w").in_flight == 0

    def test_bad_delays_are_refused(self, leased: Store) -> None:
        """The lease stays."""
        delivery = leased.lease("w", limit=1)
        for delay in (-1, float("nan"), "soon"):
            with invalid("delay"):
                leased.nack(delivery, delay=delay)  # type: ignore[arg-type]
        with invalid("seconds"):
            leased.extend(delivery, seconds=0)
        assert leased.ack(delivery) == 1

    def test_waiting_ends_with_an_event(self, store: Store) -> None:
        """Whoever waits gets it soon after it was appended."""
        store.create_subscription("raw", subscription_id="w")
        with after(0.1, lambda: fill(store, 1)):
            started = monotonic()
            assert payloads(store.lease("w", wait=60)) == [1]
            assert monotonic() - started < self.patience

    def test_waiting_ends_with_a_redelivery(self, leased: Store) -> None:
        """A lease that runs out is an event too."""
        leased.lease("w", lease_seconds=0.2)
        started = monotonic()
        assert 1 in payloads(leased.lease("w", wait=60))
        assert monotonic() - started < self.patience

    def test_waiting_ends_with_time(self, store: Store) -> None:
        """Nothing is leased then."""
        store.create_subscription("raw", subscription_id="w")
        started = monotonic()
        assert store.lease("w", wait=0.1) == ()
        assert monotonic() - started < self.patience

    def test_competing_consumers_share_nothing(self, store: Store) -> None:
        """Without a crash every event is delivered once."""
        fill(store, 200)
        store.create_subscription("raw", subscription_id="w")

        def work(_: int) -> list[Any]:
            seen: list[Any] = []
            while deliveries := store.lease("w", limit=5):
                seen.extend(payloads(deliveries))
                store.ack(deliveries)
            return seen

        with ThreadPoolExecutor(4) as threads:
            seen = [number for part in threads.map(work, range(4)) for number in part]
        assert sorted(seen) == list(range(1, 201))
        assert store.get_subscription("w").cursor == 200

    def test_deliveries_of_several_subscriptions_can_be_acked_together(self, leased: Store) -> None:
        """One call, all or nothing."""
        leased.create_subscription("raw", subscription_id="v")
        mixed = [*leased.lease("w", limit=1), *leased.lease("v", limit=2)]
        assert leased.ack(mixed) == 3
        assert (leased.get_subscription("w").cursor, leased.get_subscription("v").cursor) == (1, 2)

    def test_deleting_a_subscription_loses_its_leases(self, leased: Store) -> None:
        """Also when a new one has the same id."""
        delivery = leased.lease("w", limit=1)
        leased.delete_subscription("w")
        with pytest.raises(LeaseLostError):
            leased.ack(delivery)
        leased.create_subscription("raw", subscription_id="w")
        leased.lease("w", limit=1)
        with pytest.raises(LeaseLostError):
            leased.ack(delivery)

    def test_unfinished_deliveries_are_bounded(self, store: Store) -> None:
        """Beyond ten thousand only redeliveries are handed out."""
        fill(store, 10_010)
        store.create_subscription("raw", subscription_id="w")
        held = store.lease("w", limit=20_000, lease_seconds=600)
        assert len(held) == 10_000
        assert store.lease("w", limit=1) == ()
        store.nack(held[5])
        assert payloads(store.lease("w")) == [6]
        store.ack(held[:5])
        assert payloads(store.lease("w", limit=100)) == [10_001, 10_002, 10_003, 10_004, 10_005]

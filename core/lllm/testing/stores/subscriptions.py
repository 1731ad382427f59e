"""Subscriptions and the automatic cursor."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lllm.errors import (
    ChannelNotFoundError,
    InvalidPayloadError,
    SubscriptionExistsError,
    SubscriptionNotFoundError,
)
from lllm.store import Store, Subscription
from lllm.testing.stores.suite import BAD_NAMES, Suite, fill, invalid, payloads, refused, trying


class SubscriptionTests(Suite):
    """`create_subscription` and its relatives, and `pull_subscription`."""

    def test_every_field_is_read_back_for_subscriptions(self, store: Store) -> None:
        """What creation returns is what a read returns."""
        made = store.create_subscription(
            "raw",
            subscription_id="w",
            consumer="w1",
            batch_size=10,
            filters={"kind": "message"},
            metadata={"m": (1,)},
        )
        assert made.model_dump(by_alias=True) == {
            "id": "w",
            "channel": "raw",
            "cursor": 0,
            "consumer": "w1",
            "batch_size": 10,
            "filters": {"kind": "message"},
            "metadata": {"m": [1]},
        }
        assert store.get_subscription("w") == made

    def test_extension_fields_show_when_they_are_set(self, store: Store) -> None:
        """They are left out while they are None."""
        made = store.create_subscription(
            "raw", subscription_id="w", lease_seconds=5, max_deliveries=3, dead_letter="out"
        )
        assert (made.lease_seconds, made.max_deliveries, made.dead_letter) == (5.0, 3, "out")
        assert store.get_subscription("w") == made
        assert '"dead_letter":"out"' in made.model_dump_json(by_alias=True)

    def test_without_an_id_every_subscription_is_new(self, store: Store) -> None:
        """The ids are UUIDs of version 4."""
        first, second = store.create_subscription("raw"), store.create_subscription("raw")
        assert first.id != second.id
        assert uuid.UUID(first.id).version == 4
        assert (first.batch_size, first.filters, first.metadata, first.consumer) == (100, {}, {}, None)

    def test_a_known_id_returns_the_stored_row(self, store: Store) -> None:
        """Whatever else is passed."""
        first = store.create_subscription("raw", subscription_id="w", consumer="a", batch_size=5)
        fill(store, 1)
        store.pull_subscription("w")
        again = store.create_subscription(
            "raw", subscription_id="w", consumer="b", batch_size=7, metadata={"x": 1}
        )
        assert again == first.model_copy(update={"cursor": 1})

    def test_a_known_id_of_another_channel_is_an_error(self, store: Store) -> None:
        """An id belongs to one channel."""
        store.create_subscription("raw", subscription_id="w")
        with refused(SubscriptionExistsError, "Subscription already exists for a different channel: w"):
            store.create_subscription("out", subscription_id="w")

    def test_other_filters_are_an_error(self, store: Store) -> None:
        """No filters agree with any."""
        store.create_subscription("raw", subscription_id="w", filters={"kind": "a"})
        assert store.create_subscription("raw", subscription_id="w").filters == {"kind": "a"}
        with refused(SubscriptionExistsError, "Subscription already exists with different filters: w"):
            store.create_subscription("raw", subscription_id="w", filters={"kind": "b"})

    def test_creation_has_no_races(self, store: Store) -> None:
        """Everybody gets the same row."""

        def create(number: int) -> Subscription:
            return store.create_subscription("raw", subscription_id="w", consumer=f"c{number}")

        with ThreadPoolExecutor(8) as threads:
            made = list(
                threads.map(
                    lambda n: store.create_subscription("raw", subscription_id="w", consumer=f"c{n}"),
                    range(16),
                )
            )
        assert len({subscription.consumer for subscription in made}) == 1
        assert len(store.list_subscriptions()) == 1

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"batch_size": 0}, "batch_size must be greater than 0."),
            ({"batch_size": True}, "batch_size must be an integer."),
            ({"batch_size": "5"}, "batch_size must be an integer."),
            ({"filters": [1]}, "subscription.filters must be an object."),
            ({"metadata": "m"}, "subscription.metadata must be an object."),
            ({"consumer": "a b"}, "subscription.consumer must be a non-empty token."),
            (
                {"filters": {"source": "s", "kind": "k", "a": 1}},
                "subscription filters only support 'kind'; unsupported: a, source",
            ),
            ({"filters": {"kind": ""}}, "subscription filter 'kind' must be a non-empty token."),
            ({"filters": {"kind": 5}}, "subscription filter 'kind' must be a non-empty token."),
            ({"start": -1}, "start"),
            ({"start": "middle"}, "start"),
            ({"lease_seconds": 0}, "lease_seconds"),
            ({"max_deliveries": 0}, "max_deliveries"),
            ({"dead_letter": "a/b"}, "subscription.dead_letter must be a non-empty path segment."),
            ({"metadata": {"a": float("nan")}}, "not JSON serializable"),
        ],
        ids=str,
    )
    def test_bad_arguments_are_refused_for_subscriptions(
        self, store: Store, options: dict[str, Any], text: str
    ) -> None:
        """The text names the argument, and nothing is created."""
        with invalid(text):
            store.create_subscription("raw", **options)
        assert store.list_subscriptions() == ()

    def test_a_bad_id_is_refused_for_subscriptions(self, store: Store) -> None:
        """An id is a path segment."""
        for name in BAD_NAMES:
            with trying(name), invalid("subscription.id must be a non-empty path segment."):
                store.create_subscription("raw", subscription_id=name)

    def test_checks_have_an_order_for_subscriptions(self, store: Store) -> None:
        """The batch size, the channel, the filters, the metadata."""
        with invalid("batch_size"):
            store.create_subscription("nope", batch_size=0, filters=5)  # type: ignore[arg-type]
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.create_subscription("nope", filters=5, metadata=5)  # type: ignore[arg-type]
        with invalid("subscription.filters"):
            store.create_subscription("raw", filters=5, metadata=5)  # type: ignore[arg-type]
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.create_subscription("raw", dead_letter="nope")

    def test_a_missing_subscription_is_named(self, store: Store) -> None:
        """Every operation says which one; a bad id comes first."""
        calls: list[Any] = [
            store.get_subscription,
            store.pull_subscription,
            store.lease,
            store.lag,
            store.delete_subscription,
            lambda name: store.seek(name, to="end"),
            lambda name: store.update_subscription(name, batch_size=1),
        ]
        for call in calls:
            with refused(SubscriptionNotFoundError, "Subscription not found: nope"):
                call("nope")
            with invalid("subscription.id must be a non-empty path segment."):
                call("a/b")

    def test_subscriptions_are_listed_by_id(self, store: Store) -> None:
        """All of them, or those of one channel."""
        for channel, name in (("raw", "b"), ("out", "a"), ("raw", "c")):
            store.create_subscription(channel, subscription_id=name)
        assert [subscription.id for subscription in store.list_subscriptions()] == ["a", "b", "c"]
        assert [subscription.id for subscription in store.list_subscriptions("raw")] == ["b", "c"]
        with pytest.raises(ChannelNotFoundError):
            store.list_subscriptions("nope")

    def test_settings_can_be_changed(self, store: Store) -> None:
        """What is not named stays as it is."""
        store.create_subscription("raw", subscription_id="w", metadata={"a": 1}, max_deliveries=2)
        assert store.update_subscription("w", batch_size=3).batch_size == 3
        changed = store.update_subscription("w", lease_seconds=9, dead_letter="out", max_deliveries=None)
        assert store.get_subscription("w") == changed
        assert (changed.batch_size, changed.metadata, changed.max_deliveries) == (3, {"a": 1}, None)
        assert store.update_subscription("w", metadata=None, dead_letter=None).dead_letter is None
        with pytest.raises(ChannelNotFoundError):
            store.update_subscription("w", dead_letter="nope")
        with invalid("batch_size"):
            store.update_subscription("w", batch_size=0)

    def test_a_subscription_can_be_deleted(self, store: Store) -> None:
        """Its id can be used again, and begins anew."""
        fill(store, 2)
        store.create_subscription("raw", subscription_id="w")
        store.pull_subscription("w")
        store.delete_subscription("w")
        assert store.list_subscriptions() == ()
        assert store.create_subscription("out", subscription_id="w").cursor == 0

    def test_a_subscription_begins_where_it_is_told(self, store: Store) -> None:
        """At the beginning, at the end, or above a cursor."""
        fill(store, 5)
        begun = {start: store.create_subscription("raw", start=start) for start in ("beginning", "end", 2)}
        assert payloads(store.pull_subscription(begun["beginning"].id)) == [1, 2, 3, 4, 5]
        assert payloads(store.pull_subscription(begun["end"].id)) == []
        assert payloads(store.pull_subscription(begun[2].id)) == [3, 4, 5]

    def test_pulling_advances(self, store: Store) -> None:
        """Each event is pulled once, in cursor order, a batch at a time."""
        fill(store, 5)
        store.create_subscription("raw", subscription_id="w", batch_size=2)
        assert payloads(store.pull_subscription("w")) == [1, 2]
        assert store.get_subscription("w").cursor == 2
        assert payloads(store.pull_subscription("w", limit=1)) == [3]
        assert payloads(store.pull_subscription("w", limit=10)) == [4, 5]
        assert store.pull_subscription("w") == ()
        assert store.get_subscription("w").cursor == 5
        fill(store, 1)
        assert payloads(store.pull_subscription("w")) == [1]

    def test_only_matching_events_are_pulled(self, store: Store) -> None:
        """The cursor does not jump over trailing events of other kinds."""
        for kind in ("a", "b", "a", "b", "b"):
            fill(store, 1, kind=kind)
        store.create_subscription("raw", subscription_id="w", filters={"kind": "a"})
        assert [event.cursor for event in store.pull_subscription("w")] == [1, 3]
        assert store.get_subscription("w").cursor == 3
        assert store.pull_subscription("w") == ()
        assert store.get_subscription("w").cursor == 3
        fill(store, 1, kind="a")
        assert [event.cursor for event in store.pull_subscription("w")] == [6]

    def test_subscriptions_do_not_disturb_each_other(self, store: Store) -> None:
        """Each has its own cursor."""
        fill(store, 2)
        for name in ("v", "w"):
            store.create_subscription("raw", subscription_id=name)
            assert payloads(store.pull_subscription(name)) == [1, 2]

    @pytest.mark.parametrize(
        ("limit", "text"),
        [
            (0, "limit must be greater than 0."),
            (-1, "limit must be greater than 0."),
            (True, "limit must be an integer."),
            ("1", "limit must be an integer."),
        ],
    )
    def test_a_bad_limit_comes_before_everything(self, store: Store, limit: Any, text: str) -> None:
        """The subscription is not looked up."""
        with invalid(text):
            store.pull_subscription("nope", limit=limit)
        with invalid(text):
            store.lease("nope", limit=limit)

    def test_competing_pullers_share_nothing(self, store: Store) -> None:
        """Every event is pulled exactly once."""
        fill(store, 300)
        store.create_subscription("raw", subscription_id="w")

        def drain(_: int) -> list[Any]:
            pulled: list[Any] = []
            while events := store.pull_subscription("w", limit=7):
                pulled.extend(payloads(events))
            return pulled

        with ThreadPoolExecutor(4) as threads:
            pulled = [number for part in threads.map(drain, range(4)) for number in part]
        assert sorted(pulled) == list(range(1, 301))
        assert store.get_subscription("w").cursor == 300

    def test_what_is_returned_is_owned_by_the_caller_for_subscriptions(self, store: Store) -> None:
        """Changing a subscription changes nothing in the store."""
        made = store.create_subscription("raw", subscription_id="w", metadata={"list": [1]})
        made.metadata["list"].append(2)
        made.cursor = 99
        assert store.get_subscription("w").metadata == {"list": [1]}
        assert store.get_subscription("w").cursor == 0

    def test_poison_in_arguments_is_refused(self, store: Store) -> None:
        """No other error leaves the store."""
        for options in (
            {"metadata": {"a": 2**63}},
            {"metadata": {"a": "\ud800"}},
            {"filters": {"\ud800": 1}},
        ):
            with pytest.raises(InvalidPayloadError):
                store.create_subscription("raw", **options)

"""Channels."""

from __future__ import annotations

from typing import Any

import pytest

from lllm.errors import ChannelExistsError, ChannelNotFoundError, InvalidPayloadError
from lllm.store import Channel, Store
from lllm.testing.stores.suite import BAD_NAMES, GOOD_NAMES, Suite, fill, invalid, refused, trying


class ChannelTests(Suite):
    """`create_channel`, `ensure_channel`, `list_channels`, `get_channel`, `update_channel`, `delete_channel`."""

    def test_a_channel_is_read_back_as_it_was_created(self, store: Store) -> None:
        """Every field survives, and what the write returned equals what a read returns."""
        definition = {
            "name": "full",
            "schema": "demo:Event",
            "form": "queue",
            "description": "d",
            "metadata": {"b": 1, "a": [1, None]},
        }
        created = store.create_channel(definition)
        assert created == Channel.model_validate(definition)
        assert store.get_channel("full") == created
        assert created.model_dump(by_alias=True) == definition

    def test_a_channel_object_is_accepted(self, store: Store) -> None:
        """A Channel is as good as its fields."""
        channel = Channel(name="object", schema="s", metadata={"a": 1})
        assert store.create_channel(channel) == channel

    def test_defaults_for_channels(self, store: Store) -> None:
        """Only the name is required."""
        created = store.create_channel({"name": "plain", "metadata": None})
        assert created.model_dump(by_alias=True) == {
            "name": "plain",
            "schema": None,
            "form": "log",
            "description": "",
            "metadata": {},
        }

    def test_the_schema_goes_by_two_names(self, store: Store) -> None:
        """Input may say `schema` or `schema_ref`."""
        assert store.create_channel({"name": "one", "schema_ref": "s"}).schema == "s"
        assert store.create_channel({"name": "two", "schema": "s"}).schema_ref == "s"

    def test_channels_are_listed_by_name(self, store: Store) -> None:
        """The order of creation does not matter."""
        for name in ("b", "a", "c"):
            store.create_channel({"name": name})
        assert [channel.name for channel in store.list_channels()] == ["a", "b", "c", "out", "raw"]

    def test_creating_is_not_idempotent(self, store: Store) -> None:
        """A taken name is an error, even for an equal channel."""
        with refused(ChannelExistsError, "Channel already exists: raw"):
            store.create_channel({"name": "raw"})

    def test_ensuring_is_idempotent(self, store: Store) -> None:
        """An equal channel is returned, a different one is an error."""
        first = store.ensure_channel({"name": "new", "schema": "s"})
        assert store.ensure_channel({"name": "new", "schema": "s"}) == first
        with refused(ChannelExistsError, "Channel already exists: new"):
            store.ensure_channel({"name": "new", "schema": "t"})

    def test_a_missing_channel_is_named_for_channels(self, store: Store) -> None:
        """The error says which channel."""
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.get_channel("nope")
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.head("nope")
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.first_cursor("nope")

    def test_a_bad_name_is_refused_for_channels(self, store: Store) -> None:
        """Nothing that cannot be one segment of a path names a channel."""
        for name in BAD_NAMES:
            with trying(name), invalid("channel.name must be a non-empty path segment."):
                store.create_channel({"name": name})
        assert len(store.list_channels()) == 2

    def test_a_bad_name_comes_before_a_missing_one(self, store: Store) -> None:
        """Looking up what can be no name is bad input."""
        names: tuple[Any, ...] = ("", "a/b", "a b", ".", 5, None)
        for name in names:
            with trying(name), invalid("channel.name must be a non-empty path segment."):
                store.get_channel(name)

    def test_any_other_name_is_exact_for_channels(self, store: Store) -> None:
        """Characters that mean something in URLs mean nothing here."""
        for name in GOOD_NAMES:
            with trying(name):
                store.create_channel({"name": name})
                assert store.get_channel(name).name == name
                assert store.append_event({"channel": name}).channel == name

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"metadata": [1]}, "channel.metadata must be an object."),
            ({"form": "nope"}, "form"),
            ({"name": 5}, "name"),
            ({"name": b"x"}, "name"),
            ({"schema": 5}, "schema"),
            ({"description": None}, "description"),
            ({"metadata": {"a": float("nan")}}, "not JSON serializable"),
            ({"description": "\ud800"}, ""),
        ],
    )
    def test_a_malformed_channel_is_refused(self, store: Store, fields: dict[str, Any], text: str) -> None:
        """The error names the field, and nothing is created."""
        with invalid(text):
            store.create_channel({"name": "new", **fields})
        assert len(store.list_channels()) == 2

    @pytest.mark.parametrize("value", [None, 5, "raw", [1]])
    def test_what_is_no_channel_is_refused(self, store: Store, value: Any) -> None:
        """Neither a channel nor an object."""
        with pytest.raises(InvalidPayloadError):
            store.create_channel(value)

    def test_what_is_returned_is_owned_by_the_caller_for_channels(self, store: Store) -> None:
        """Changing it changes nothing in the store, and the argument is not kept either."""
        metadata = {"list": [1]}
        created = store.create_channel({"name": "owned", "metadata": metadata})
        metadata["list"].append(2)
        created.metadata["list"].append(3)
        store.get_channel("owned").metadata["list"].append(4)
        assert store.get_channel("owned").metadata == {"list": [1]}

    def test_an_empty_channel_has_head_zero(self, store: Store) -> None:
        """The first event will have the cursor 1."""
        assert (store.head("raw"), store.first_cursor("raw")) == (0, 1)

    def test_the_head_is_the_newest_cursor(self, store: Store) -> None:
        """It counts the events of its own channel."""
        fill(store, 3)
        fill(store, 1, channel="out")
        assert (store.head("raw"), store.first_cursor("raw")) == (3, 1)

    def test_a_description_can_be_changed(self, store: Store) -> None:
        """What is not named stays as it is."""
        store.create_channel({"name": "new", "schema": "s", "description": "d", "metadata": {"a": 1}})
        assert store.update_channel("new", description="e").description == "e"
        assert store.update_channel("new", schema=None).schema is None
        assert store.update_channel("new", metadata={"b": 2}) == store.get_channel("new")
        assert store.get_channel("new").description == "e"
        assert store.update_channel("new", metadata=None).metadata == {}
        with refused(ChannelNotFoundError, "Channel not found: nope"):
            store.update_channel("nope", description="x")
        with invalid("channel.metadata must be an object."):
            store.update_channel("new", metadata=[1])  # type: ignore[arg-type]

    def test_an_empty_channel_can_be_deleted(self, store: Store) -> None:
        """Afterwards it does not exist."""
        store.delete_channel("raw")
        with pytest.raises(ChannelNotFoundError):
            store.get_channel("raw")
        with pytest.raises(ChannelNotFoundError):
            store.append_event({"channel": "raw"})
        with refused(ChannelNotFoundError, "Channel not found: raw"):
            store.delete_channel("raw")

    def test_deleting_what_is_used_needs_force(self, store: Store) -> None:
        """Events and subscriptions protect their channel."""
        store.create_subscription("out", subscription_id="sub")
        fill(store, 1)
        for name in ("raw", "out"):
            with pytest.raises(InvalidPayloadError):
                store.delete_channel(name)
            store.delete_channel(name, force=True)
        assert store.list_channels() == ()
        assert store.list_subscriptions() == ()

    def test_cursors_are_not_used_again_after_a_delete(self, store: Store) -> None:
        """A channel of the same name goes on counting."""
        fill(store, 3)
        store.delete_channel("raw", force=True)
        store.create_channel({"name": "raw"})
        assert store.query_events("raw") == ()
        assert store.append_event({"channel": "raw"}).cursor == 4

    @pytest.mark.parametrize("key", ["Description", "meta_data", "schemaRef", "SCHEMA"])
    def test_a_misspelt_field_is_refused_for_channels(self, store: Store, key: str) -> None:
        """A key that differs from a field only by case or underscores is an error that names both."""
        with invalid(key, "did you mean"):
            store.create_channel({"name": "new", key: "x"})

"""The channels of a `BackendStore`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from lllm.errors import ChannelExistsError, InvalidPayloadError
from lllm.store.backed.core import BackedCore
from lllm.store.backend import Writer
from lllm.store.documents import channel_of, document
from lllm.store.engine.lookup import require_channel, require_head
from lllm.store.inputs import UNSET, Unset
from lllm.store.models import Channel
from lllm.store.names import require_segment
from lllm.store.protocol.channels import ChannelOperations
from lllm.store.records import channel_record

__all__ = ["BackedChannels"]


class BackedChannels(ChannelOperations, BackedCore):
    """Channels, on a backend's primitives."""

    @override
    def create_channel(self, channel: Channel | Mapping[str, Any]) -> Channel:
        record = channel_record(channel)
        doc = document(record)

        def work(tx: Writer) -> None:
            if tx.channel(record.name) is not None:
                raise ChannelExistsError(f"Channel already exists: {record.name}")
            tx.put_channel(record.name, doc)

        self._write(work)
        return record

    @override
    def list_channels(self) -> tuple[Channel, ...]:
        return tuple(channel_of(doc) for doc in self._read(lambda tx: tx.channels()))

    @override
    def get_channel(self, name: str) -> Channel:
        require_segment(name, "channel.name")
        return channel_of(self._read(lambda tx: require_channel(tx, name)))

    @override
    def head(self, channel: str) -> int:
        require_segment(channel, "channel.name")
        return self._read(lambda tx: require_head(tx, channel))

    @override
    def first_cursor(self, channel: str) -> int:
        require_segment(channel, "channel.name")

        def work(tx: Any) -> int:
            require_head(tx, channel)
            cursor: int = tx.first_cursor(channel)
            return cursor

        return self._read(work)

    @override
    def update_channel(
        self,
        name: str,
        *,
        schema: str | Unset | None = UNSET,
        description: str | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
    ) -> Channel:
        require_segment(name, "channel.name")
        given = {"schema_ref": schema, "description": description, "metadata": metadata}
        changes = {key: value for key, value in given.items() if value is not UNSET}

        def work(tx: Writer) -> Channel:
            stored = channel_of(require_channel(tx, name))
            # Only the changes are checked: the name may be one that older stores accepted.
            checked = channel_record({"name": "checked", **changes})
            updated = stored.model_copy(update={key: getattr(checked, key) for key in changes})
            tx.put_channel(name, document(updated))
            return updated

        return self._write(work)

    @override
    def delete_channel(self, name: str, *, force: bool = False) -> None:
        require_segment(name, "channel.name")

        def work(tx: Writer) -> None:
            head = require_head(tx, name)
            events = head + 1 - tx.first_cursor(name)
            subscriptions = len(tx.subscriptions(name))
            if (events or subscriptions) and not force:
                raise InvalidPayloadError(
                    f"Channel is not empty: {name} ({events} events, {subscriptions} subscriptions); pass "
                    "force=True to delete it with them"
                )
            tx.drop_channel(name)

        self._write(work)

"""Channels: create, list, describe, delete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from lllm.errors import ChannelExistsError, ChannelNotFoundError
from lllm.store.inputs import UNSET, Unset
from lllm.store.models import Channel
from lllm.store.records import channel_record

__all__ = ["ChannelOperations"]


class ChannelOperations(ABC):
    """The part of the `Store` protocol that concerns channels."""

    @abstractmethod
    def create_channel(self, channel: Channel | Mapping[str, Any]) -> Channel:
        """Create a channel.

        Args:
            channel: The channel, or its fields; `metadata` None means an empty object.

        Returns:
            The channel as stored.

        Raises:
            InvalidPayloadError: A field is malformed.
            ChannelExistsError: The name is taken, even by an equal channel.
        """

    def ensure_channel(self, channel: Channel | Mapping[str, Any]) -> Channel:
        """Create a channel, or return the existing one when it is equal.

        Args:
            channel: The channel, or its fields.

        Returns:
            The channel as stored.

        Raises:
            InvalidPayloadError: A field is malformed.
            ChannelExistsError: The name is taken by a channel with another definition.
        """
        wanted = channel_record(channel)
        try:
            return self.create_channel(wanted)
        except ChannelExistsError:
            try:
                existing = self.get_channel(wanted.name)
            except ChannelNotFoundError:
                # It was deleted between the two calls.
                return self.create_channel(wanted)
            if existing != wanted:
                raise
            return existing

    @abstractmethod
    def list_channels(self) -> tuple[Channel, ...]:
        """Return every channel, ordered by name."""

    @abstractmethod
    def get_channel(self, name: str) -> Channel:
        """Return one channel.

        Args:
            name: Its name.

        Raises:
            InvalidPayloadError: The name is no path segment.
            ChannelNotFoundError: There is no such channel.
        """

    @abstractmethod
    def head(self, channel: str) -> int:
        """Return the cursor of the newest event ever appended to a channel, 0 when there was none.

        Args:
            channel: Name of the channel.

        Raises:
            InvalidPayloadError: The name is no path segment.
            ChannelNotFoundError: There is no such channel.
        """

    @abstractmethod
    def first_cursor(self, channel: str) -> int:
        """Return the cursor of the oldest kept event of a channel, `head + 1` when none is kept.

        Args:
            channel: Name of the channel.

        Raises:
            InvalidPayloadError: The name is no path segment.
            ChannelNotFoundError: There is no such channel.
        """

    @abstractmethod
    def update_channel(
        self,
        name: str,
        *,
        schema: str | Unset | None = UNSET,
        description: str | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
    ) -> Channel:
        """Replace what describes a channel; what is not named stays.

        Args:
            name: Name of the channel.
            schema: New schema.
            description: New description.
            metadata: New metadata; None means an empty object.

        Returns:
            The channel as stored.

        Raises:
            InvalidPayloadError: An argument is malformed.
            ChannelNotFoundError: There is no such channel.
        """

    @abstractmethod
    def delete_channel(self, name: str, *, force: bool = False) -> None:
        """Delete a channel with its events, subscriptions and retention.

        A channel that is created again under the name goes on counting where this one stopped: no cursor
        is ever used twice.

        Args:
            name: Name of the channel.
            force: Delete it even when it has events or subscriptions.

        Raises:
            InvalidPayloadError: The name is no path segment, or `force` is needed and was not given.
            ChannelNotFoundError: There is no such channel.
        """

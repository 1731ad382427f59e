"""Channel methods that every client has, for threads and for event loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lllm.errors import InvalidPayloadError
from lllm.store import Channel, Retention, RetentionReport
from lllm.store.inputs import UNSET, Unset, object_of
from lllm_store_http import channel_calls
from lllm_store_http.sending import AsyncSender, Checks, Sender

__all__ = ["AsyncChannels", "Channels"]


def _changes(
    schema: str | Unset | None, description: str | Unset, metadata: Mapping[str, Any] | Unset | None
) -> dict[str, Any]:
    changes = {"schema": schema, "description": description}
    body: dict[str, Any] = {key: value for key, value in changes.items() if value is not UNSET}
    if metadata is not UNSET:
        body["metadata"] = object_of(metadata, "channel.metadata")
    return body


class _Arguments(Checks):
    def _limits(
        self,
        max_events: int | None,
        max_age_seconds: float | None,
        max_bytes: int | None,
        keep_unfinished: bool,
    ) -> dict[str, Any]:
        age = None if max_age_seconds is None else self._seconds(max_age_seconds, "max_age_seconds")
        if not isinstance(keep_unfinished, bool):
            raise InvalidPayloadError("keep_unfinished must be a boolean.")
        return {
            "max_events": None if max_events is None else self._whole(max_events, "max_events"),
            "max_age_seconds": age,
            "max_bytes": None if max_bytes is None else self._whole(max_bytes, "max_bytes"),
            "keep_unfinished": keep_unfinished,
        }


class Channels(_Arguments, Sender):
    """Channels and their retention; see `lllm.Store` for the rules of each method."""

    def list_channels(self) -> tuple[Channel, ...]:
        """Return all channels by name."""
        return self._send(channel_calls.list_channels())

    def get_channel(self, name: str) -> Channel:
        """Return one channel."""
        return self._send(channel_calls.get_channel(name))

    def head(self, channel: str) -> int:
        """Return the cursor of the newest event ever appended, 0 when there is none."""
        return self._send(channel_calls.get_head(channel))["head"]

    def first_cursor(self, channel: str) -> int:
        """Return the cursor of the oldest kept event, `head + 1` when there is none."""
        return self._send(channel_calls.get_head(channel))["first_cursor"]

    def update_channel(
        self,
        name: str,
        *,
        schema: str | Unset | None = UNSET,
        description: str | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
    ) -> Channel:
        """Change the given fields of a channel."""
        return self._send(channel_calls.update_channel(name, _changes(schema, description, metadata)))

    def delete_channel(self, name: str, *, force: bool = False) -> None:
        """Delete a channel; `force` when it has events or subscriptions."""
        self._send(channel_calls.delete_channel(name, force=force))

    def get_retention(self, channel: str) -> Retention:
        """Return what a channel keeps."""
        return self._send(channel_calls.get_retention(channel))

    def set_retention(
        self,
        channel: str,
        *,
        max_events: int | None = None,
        max_age_seconds: float | None = None,
        max_bytes: int | None = None,
        keep_unfinished: bool = True,
    ) -> Retention:
        """Replace what a channel keeps."""
        limits = self._limits(max_events, max_age_seconds, max_bytes, keep_unfinished)
        return self._send(channel_calls.set_retention(channel, limits))

    def apply_retention(self, channel: str | None = None, *, dry_run: bool = False) -> RetentionReport:
        """Remove what is beyond the limits of one channel, or of all."""
        return self._send(channel_calls.apply_retention(channel, dry_run=dry_run))


class AsyncChannels(_Arguments, AsyncSender):
    """Channels and their retention, as coroutines."""

    async def list_channels(self) -> tuple[Channel, ...]:
        """Return all channels by name."""
        return await self._send(channel_calls.list_channels())

    async def get_channel(self, name: str) -> Channel:
        """Return one channel."""
        return await self._send(channel_calls.get_channel(name))

    async def head(self, channel: str) -> int:
        """Return the cursor of the newest event ever appended, 0 when there is none."""
        return (await self._send(channel_calls.get_head(channel)))["head"]

    async def first_cursor(self, channel: str) -> int:
        """Return the cursor of the oldest kept event, `head + 1` when there is none."""
        return (await self._send(channel_calls.get_head(channel)))["first_cursor"]

    async def update_channel(
        self,
        name: str,
        *,
        schema: str | Unset | None = UNSET,
        description: str | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
    ) -> Channel:
        """Change the given fields of a channel."""
        return await self._send(channel_calls.update_channel(name, _changes(schema, description, metadata)))

    async def delete_channel(self, name: str, *, force: bool = False) -> None:
        """Delete a channel; `force` when it has events or subscriptions."""
        await self._send(channel_calls.delete_channel(name, force=force))

    async def get_retention(self, channel: str) -> Retention:
        """Return what a channel keeps."""
        return await self._send(channel_calls.get_retention(channel))

    async def set_retention(
        self,
        channel: str,
        *,
        max_events: int | None = None,
        max_age_seconds: float | None = None,
        max_bytes: int | None = None,
        keep_unfinished: bool = True,
    ) -> Retention:
        """Replace what a channel keeps."""
        limits = self._limits(max_events, max_age_seconds, max_bytes, keep_unfinished)
        return await self._send(channel_calls.set_retention(channel, limits))

    async def apply_retention(self, channel: str | None = None, *, dry_run: bool = False) -> RetentionReport:
        """Remove what is beyond the limits of one channel, or of all."""
        return await self._send(channel_calls.apply_retention(channel, dry_run=dry_run))

"""The retention of a `BackendStore`."""

from __future__ import annotations

import time

from typing_extensions import override

from lllm.errors import InvalidPayloadError
from lllm.store.backed.core import BackedCore
from lllm.store.backend import Reader, Writer
from lllm.store.documents import channel_of, document, retention_of
from lllm.store.engine import retaining
from lllm.store.engine.lookup import require_channel
from lllm.store.inputs import seconds, whole_number
from lllm.store.names import require_segment
from lllm.store.protocol.upkeep import RetentionOperations
from lllm.store.reports import Retention, RetentionReport

__all__ = ["BackedRetention"]


class BackedRetention(RetentionOperations, BackedCore):
    """Retention, on a backend's primitives."""

    @override
    def set_retention(
        self,
        channel: str,
        *,
        max_events: int | None = None,
        max_age_seconds: float | None = None,
        max_bytes: int | None = None,
        keep_unfinished: bool = True,
    ) -> Retention:
        require_segment(channel, "channel.name")
        for name, number in (("max_events", max_events), ("max_bytes", max_bytes)):
            if number is not None:
                whole_number(number, name)
        if max_age_seconds is not None:
            max_age_seconds = seconds(max_age_seconds, "max_age_seconds")
        if not isinstance(keep_unfinished, bool):
            raise InvalidPayloadError("keep_unfinished must be a boolean.")
        retention = Retention(
            channel=channel,
            max_events=max_events,
            max_age_seconds=max_age_seconds,
            max_bytes=max_bytes,
            keep_unfinished=keep_unfinished,
        )

        def work(tx: Writer) -> None:
            require_channel(tx, channel)
            tx.put_retention(channel, document(retention))

        self._write(work)
        return retention

    @override
    def get_retention(self, channel: str) -> Retention:
        require_segment(channel, "channel.name")

        def work(tx: Reader) -> str | None:
            require_channel(tx, channel)
            return tx.retention(channel)

        doc = self._read(work)
        return Retention(channel=channel) if doc is None else retention_of(doc)

    @override
    def apply_retention(self, channel: str | None = None, *, dry_run: bool = False) -> RetentionReport:
        if channel is None:
            names = [channel_of(doc).name for doc in self._read(lambda tx: tx.channels())]
        else:
            require_segment(channel, "channel.name")
            self._read(lambda tx: require_channel(tx, channel))
            names = [channel]
        events = size = 0
        first: dict[str, int] = {}
        for name in names:
            removal, first[name] = self._preview(name) if dry_run else self._remove(name)
            events += removal.events
            size += removal.size
        return RetentionReport(removed_events=events, removed_bytes=size, first_cursor=first)

    def _remove(self, name: str) -> tuple[retaining.Removal, int]:
        """Remove in steps, so that no transaction holds others up for long."""
        events = size = 0
        while True:
            step = self._write(lambda tx: retaining.remove(tx, name, now=time.time()))
            events += step.events
            size += step.size
            if step.events < retaining.PAGE:
                first = self._read(lambda tx: tx.first_cursor(name))
                return retaining.Removal(events, size, step.through), first

    def _preview(self, name: str) -> tuple[retaining.Removal, int]:
        def work(tx: Reader) -> tuple[retaining.Removal, int]:
            through = retaining.expired_through(tx, name, now=time.time())
            events = size = after = 0
            while (step := retaining.removable(tx, name, after=after, through=through)).events:
                events += step.events
                size += step.size
                after = step.through
            return retaining.Removal(events, size, after), max(after + 1, tx.first_cursor(name))

        return self._read(work)

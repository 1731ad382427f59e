"""The subscriptions and leases of a `BackendStore`."""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from typing_extensions import override

from lllm.errors import InvalidPayloadError
from lllm.store.backed.core import BackedCore
from lllm.store.backend import Reader
from lllm.store.documents import subscription_of
from lllm.store.drafts import draft_events
from lllm.store.engine import finishing, leasing, subscribing
from lllm.store.engine.lookup import require_channel, require_subscription
from lllm.store.inputs import UNSET, Deliveries, Unset, seconds, tokens_of, whole_number
from lllm.store.models import Event, Snapshot, Subscription
from lllm.store.names import require_segment, require_token
from lllm.store.protocol.subscriptions import LeaseOperations, SubscriptionOperations
from lllm.store.records import snapshot_record, subscription_record, subscription_settings
from lllm.store.reports import CommitResult, Delivery, SubscriptionLag
from lllm.store.signal import wait_for

__all__ = ["BackedSubscriptions"]


class BackedSubscriptions(SubscriptionOperations, LeaseOperations, BackedCore):
    """Subscriptions and leases, on a backend's primitives."""

    @override
    def create_subscription(
        self,
        channel: str,
        *,
        subscription_id: str | None = None,
        consumer: str | None = None,
        batch_size: int = 100,
        filters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        start: Literal["beginning", "end"] | int = "beginning",
        lease_seconds: float | None = None,
        max_deliveries: int | None = None,
        dead_letter: str | None = None,
    ) -> Subscription:
        whole_number(batch_size, "batch_size", least=1)
        require_segment(channel, "channel.name")
        self._read(lambda tx: require_channel(tx, channel))
        wanted = subscription_record(
            channel,
            subscription_id=subscription_id,
            consumer=consumer,
            batch_size=batch_size,
            filters=filters,
            metadata=metadata,
            lease_seconds=lease_seconds,
            max_deliveries=max_deliveries,
            dead_letter=dead_letter,
        )
        if start not in ("beginning", "end"):
            whole_number(start, "start")
        return self._write(lambda tx: subscribing.create(tx, wanted, start))

    @override
    def get_subscription(self, subscription_id: str) -> Subscription:
        require_segment(subscription_id, "subscription.id")
        row = self._read(lambda tx: require_subscription(tx, subscription_id))
        return subscription_of(row.doc, row.cursor)

    @override
    def list_subscriptions(self, channel: str | None = None) -> tuple[Subscription, ...]:
        if channel is not None:
            require_segment(channel, "channel.name")

        def work(tx: Reader) -> list[Subscription]:
            if channel is not None:
                require_channel(tx, channel)
            return [subscription_of(row.doc, row.cursor) for row in tx.subscriptions(channel)]

        return tuple(self._read(work))

    @override
    def update_subscription(
        self,
        subscription_id: str,
        *,
        batch_size: int | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
        lease_seconds: float | Unset | None = UNSET,
        max_deliveries: int | Unset | None = UNSET,
        dead_letter: str | Unset | None = UNSET,
    ) -> Subscription:
        require_segment(subscription_id, "subscription.id")
        settings = subscription_settings(
            batch_size=batch_size,
            metadata=metadata,
            lease_seconds=lease_seconds,
            max_deliveries=max_deliveries,
            dead_letter=dead_letter,
        )

        def work(tx: Any) -> Subscription:
            row = require_subscription(tx, subscription_id)
            stored = subscription_of(row.doc, row.cursor)
            return subscribing.save(tx, stored.model_copy(update=settings))

        return self._write(work)

    @override
    def delete_subscription(self, subscription_id: str) -> None:
        require_segment(subscription_id, "subscription.id")
        self._write(lambda tx: tx.delete_subscription(require_subscription(tx, subscription_id).number))

    @override
    def pull_subscription(self, subscription_id: str, *, limit: int | None = None) -> tuple[Event, ...]:
        if limit is not None:
            whole_number(limit, "limit", least=1)
        require_segment(subscription_id, "subscription.id")
        now = clock.time()
        return tuple(self._write(lambda tx: leasing.pull(tx, subscription_id, limit=limit, now=now)))

    @override
    def seek(
        self,
        subscription_id: str,
        *,
        cursor: int | None = None,
        time: float | None = None,
        to: Literal["beginning", "end"] | None = None,
    ) -> Subscription:
        if sum(place is not None for place in (cursor, time, to)) != 1:
            raise InvalidPayloadError("seek needs exactly one of cursor, time and to.")
        if cursor is not None:
            whole_number(cursor, "cursor")
        if time is not None:
            seconds(time, "time")
        if to is not None and to not in ("beginning", "end"):
            raise InvalidPayloadError("to must be 'beginning' or 'end'.")
        require_segment(subscription_id, "subscription.id")
        return self._write(lambda tx: subscribing.seek(tx, subscription_id, cursor=cursor, time=time, to=to))

    @override
    def lag(self, subscription_id: str) -> SubscriptionLag:
        require_segment(subscription_id, "subscription.id")
        return self._read(lambda tx: subscribing.lag(tx, subscription_id))

    @override
    def lease(
        self,
        subscription_id: str,
        *,
        limit: int | None = None,
        lease_seconds: float | None = None,
        consumer: str | None = None,
        wait: float = 0.0,
    ) -> tuple[Delivery, ...]:
        if limit is not None:
            whole_number(limit, "limit", least=1)
        if lease_seconds is not None:
            lease_seconds = seconds(lease_seconds, "lease_seconds", positive=True)
        if consumer is not None:
            require_token(consumer, "subscription.consumer")
        patience = seconds(wait, "wait")
        require_segment(subscription_id, "subscription.id")

        def take() -> tuple[Delivery, ...]:
            now = clock.time()
            # A lease need not outlive a power cut: its events are handed out again either way.
            return tuple(
                self._write(
                    lambda tx: leasing.lease(
                        tx, subscription_id, limit=limit, lease_seconds=lease_seconds, now=now
                    ),
                    durable=False,
                )
            )

        def look() -> tuple[tuple[Delivery, ...], float | None]:
            ready, again = self._read(lambda tx: leasing.readiness(tx, subscription_id, clock.time()))
            return (take() if ready else ()), again

        if not patience:
            return take()
        return wait_for(self._signal, self._stamp, look, patience)

    @override
    def ack(self, deliveries: Deliveries) -> int:
        tokens = tokens_of(deliveries)
        return self._write(lambda tx: finishing.ack(tx, tokens, now=clock.time()))

    @override
    def nack(self, deliveries: Deliveries, *, delay: float = 0.0, error: str | None = None) -> int:
        tokens = tokens_of(deliveries)
        pause = seconds(delay, "delay")
        reason = _reason(error)
        return self._write(lambda tx: finishing.nack(tx, tokens, delay=pause, error=reason, now=clock.time()))

    @override
    def release(self, deliveries: Deliveries) -> int:
        tokens = tokens_of(deliveries)
        return self._write(lambda tx: leasing.release(tx, tokens, now=clock.time()))

    @override
    def reject(self, deliveries: Deliveries, *, error: str | None = None) -> int:
        tokens = tokens_of(deliveries)
        reason = _reason(error)
        return self._write(lambda tx: finishing.reject(tx, tokens, error=reason, now=clock.time()))

    @override
    def extend(self, deliveries: Deliveries, *, seconds: float) -> tuple[Delivery, ...]:
        tokens = tokens_of(deliveries)
        length = _positive(seconds)
        return tuple(
            self._write(
                lambda tx: leasing.extend(tx, tokens, seconds=length, now=clock.time()), durable=False
            )
        )

    @override
    def commit(
        self,
        *,
        acks: Deliveries = (),
        events: Iterable[Event | Mapping[str, Any]] = (),
        snapshots: Iterable[Snapshot | Mapping[str, Any]] = (),
    ) -> CommitResult:
        tokens = tokens_of(acks)
        drafts = draft_events(events)
        records = [snapshot_record(snapshot) for snapshot in snapshots]
        return self._write(lambda tx: finishing.commit(tx, tokens, drafts, records, now=clock.time()))


def _positive(value: float) -> float:
    return seconds(value, "seconds", positive=True)


def _reason(error: str | None) -> str | None:
    """Return the text of an error as it can be stored; what a worker reports may hold anything."""
    if error is None:
        return None
    if not isinstance(error, str):
        raise InvalidPayloadError("error must be a string.")
    return error.encode("utf-8", "replace").decode()

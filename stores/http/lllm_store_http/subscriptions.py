"""Subscriptions and leases on a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lllm.errors import InvalidPayloadError
from lllm.store import Delivery, Event, Subscription, SubscriptionLag
from lllm.store.inputs import UNSET, Deliveries, Unset, object_of, tokens_of
from lllm_store_http import subscription_calls
from lllm_store_http.rounds import wait_rounds
from lllm_store_http.sending import AsyncSender, Checks, Sender

__all__ = ["AsyncSubscriptions", "Subscriptions"]


class _Arguments(Checks):
    """The bodies of the requests, from the arguments of the methods."""

    def _changes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        changes = {key: value for key, value in values.items() if value is not UNSET}
        if "batch_size" in changes:
            changes["batch_size"] = self._whole(changes["batch_size"], "batch_size", least=1)
        if "metadata" in changes:
            changes["metadata"] = dict(object_of(changes["metadata"], "subscription.metadata"))
        return changes

    def _lease_options(
        self, limit: int | None, lease_seconds: float | None, consumer: str | None
    ) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if limit is not None:
            options["limit"] = self._whole(limit, "limit", least=1)
        if lease_seconds is not None:
            options["lease_seconds"] = self._seconds(lease_seconds, "lease_seconds")
        if consumer is not None:
            options["consumer"] = consumer
        return options

    def _place(self, cursor: int | None, time: float | None, to: str | None) -> dict[str, Any]:
        where = {"cursor": cursor, "time": time, "to": to}
        given = {key: value for key, value in where.items() if value is not None}
        if len(given) != 1:
            raise InvalidPayloadError("seek takes exactly one of cursor, time and to.")
        if cursor is not None:
            given["cursor"] = self._whole(cursor, "cursor")
        if time is not None:
            given["time"] = self._seconds(time, "time")
        return given


class Subscriptions(_Arguments, Sender):
    """Subscriptions and leases; `lllm.Store` has the rules of each method."""

    def get_subscription(self, subscription_id: str) -> Subscription:
        """Return one subscription; below its `cursor` everything is finished."""
        return self._send(subscription_calls.get_subscription(subscription_id))

    def list_subscriptions(self, channel: str | None = None) -> tuple[Subscription, ...]:
        """Return subscriptions, ordered by id."""
        return self._send(subscription_calls.list_subscriptions(channel))

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
        """Replace settings of a subscription; what is not named stays."""
        changes = {
            "batch_size": batch_size,
            "metadata": metadata,
            "lease_seconds": lease_seconds,
            "max_deliveries": max_deliveries,
            "dead_letter": dead_letter,
        }
        call = subscription_calls.update_subscription(subscription_id, self._changes(changes))
        return self._send(call)

    def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription; its leases are lost."""
        self._send(subscription_calls.delete_subscription(subscription_id))

    def pull_subscription(self, subscription_id: str, *, limit: int | None = None) -> tuple[Event, ...]:
        """Take the next matching events and finish them: at most once; see `lease` for at least once."""
        most = None if limit is None else self._whole(limit, "limit", least=1)
        return self._send(subscription_calls.pull_subscription(subscription_id, limit=most))

    def seek(
        self,
        subscription_id: str,
        *,
        cursor: int | None = None,
        time: float | None = None,
        to: Literal["beginning", "end"] | None = None,
    ) -> Subscription:
        """Move a subscription; exactly one place is named."""
        return self._send(subscription_calls.seek(subscription_id, self._place(cursor, time, to)))

    def lag(self, subscription_id: str) -> SubscriptionLag:
        """Tell how far a subscription is behind its channel."""
        return self._send(subscription_calls.get_lag(subscription_id))

    def lease(
        self,
        subscription_id: str,
        *,
        limit: int | None = None,
        lease_seconds: float | None = None,
        consumer: str | None = None,
        wait: float = 0.0,
    ) -> tuple[Delivery, ...]:
        """Hand out events that nobody else holds, at least once each."""
        options = self._lease_options(limit, lease_seconds, consumer)
        deliveries: tuple[Delivery, ...] = ()
        for round_ in wait_rounds(self._seconds(wait, "wait")):
            deliveries = self._send(subscription_calls.lease(subscription_id, options, wait=round_))
            if deliveries:
                break
        return deliveries

    def ack(self, deliveries: Deliveries) -> int:
        """Finish deliveries: all of them or none."""
        return self._send(subscription_calls.finish_leases("ack", tokens_of(deliveries)))

    def nack(self, deliveries: Deliveries, *, delay: float = 0.0, error: str | None = None) -> int:
        """Give deliveries back, to be handed out again after `delay` seconds."""
        options = {"delay": self._seconds(delay, "delay"), "error": error}
        return self._send(subscription_calls.finish_leases("nack", tokens_of(deliveries), options))

    def release(self, deliveries: Deliveries) -> int:
        """Give deliveries back that were never worked on."""
        return self._send(subscription_calls.finish_leases("release", tokens_of(deliveries)))

    def reject(self, deliveries: Deliveries, *, error: str | None = None) -> int:
        """Give deliveries up at once: they go to the dead-letter channel, or are finished without one."""
        return self._send(subscription_calls.finish_leases("reject", tokens_of(deliveries), {"error": error}))

    def extend(self, deliveries: Deliveries, *, seconds: float) -> tuple[Delivery, ...]:
        """Move deadlines to this many seconds from now; the tokens stay."""
        length = self._seconds(seconds, "seconds")
        return self._send(subscription_calls.extend_leases(tokens_of(deliveries), seconds=length))


class AsyncSubscriptions(_Arguments, AsyncSender):
    """Subscriptions and leases, as coroutines."""

    async def get_subscription(self, subscription_id: str) -> Subscription:
        """Return one subscription; below its `cursor` everything is finished."""
        return await self._send(subscription_calls.get_subscription(subscription_id))

    async def list_subscriptions(self, channel: str | None = None) -> tuple[Subscription, ...]:
        """Return subscriptions, ordered by id."""
        return await self._send(subscription_calls.list_subscriptions(channel))

    async def update_subscription(
        self,
        subscription_id: str,
        *,
        batch_size: int | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset | None = UNSET,
        lease_seconds: float | Unset | None = UNSET,
        max_deliveries: int | Unset | None = UNSET,
        dead_letter: str | Unset | None = UNSET,
    ) -> Subscription:
        """Replace settings of a subscription; what is not named stays."""
        changes = {
            "batch_size": batch_size,
            "metadata": metadata,
            "lease_seconds": lease_seconds,
            "max_deliveries": max_deliveries,
            "dead_letter": dead_letter,
        }
        call = subscription_calls.update_subscription(subscription_id, self._changes(changes))
        return await self._send(call)

    async def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription; its leases are lost."""
        await self._send(subscription_calls.delete_subscription(subscription_id))

    async def pull_subscription(self, subscription_id: str, *, limit: int | None = None) -> tuple[Event, ...]:
        """Take the next matching events and finish them: at most once; see `lease` for at least once."""
        most = None if limit is None else self._whole(limit, "limit", least=1)
        return await self._send(subscription_calls.pull_subscription(subscription_id, limit=most))

    async def seek(
        self,
        subscription_id: str,
        *,
        cursor: int | None = None,
        time: float | None = None,
        to: Literal["beginning", "end"] | None = None,
    ) -> Subscription:
        """Move a subscription; exactly one place is named."""
        return await self._send(subscription_calls.seek(subscription_id, self._place(cursor, time, to)))

    async def lag(self, subscription_id: str) -> SubscriptionLag:
        """Tell how far a subscription is behind its channel."""
        return await self._send(subscription_calls.get_lag(subscription_id))

    async def lease(
        self,
        subscription_id: str,
        *,
        limit: int | None = None,
        lease_seconds: float | None = None,
        consumer: str | None = None,
        wait: float = 0.0,
    ) -> tuple[Delivery, ...]:
        """Hand out events that nobody else holds, at least once each."""
        options = self._lease_options(limit, lease_seconds, consumer)
        deliveries: tuple[Delivery, ...] = ()
        for round_ in wait_rounds(self._seconds(wait, "wait")):
            deliveries = await self._send(subscription_calls.lease(subscription_id, options, wait=round_))
            if deliveries:
                break
        return deliveries

    async def ack(self, deliveries: Deliveries) -> int:
        """Finish deliveries: all of them or none."""
        return await self._send(subscription_calls.finish_leases("ack", tokens_of(deliveries)))

    async def nack(self, deliveries: Deliveries, *, delay: float = 0.0, error: str | None = None) -> int:
        """Give deliveries back, to be handed out again after `delay` seconds."""
        options = {"delay": self._seconds(delay, "delay"), "error": error}
        return await self._send(subscription_calls.finish_leases("nack", tokens_of(deliveries), options))

    async def release(self, deliveries: Deliveries) -> int:
        """Give deliveries back that were never worked on."""
        return await self._send(subscription_calls.finish_leases("release", tokens_of(deliveries)))

    async def reject(self, deliveries: Deliveries, *, error: str | None = None) -> int:
        """Give deliveries up at once: they go to the dead-letter channel, or are finished without one."""
        return await self._send(
            subscription_calls.finish_leases("reject", tokens_of(deliveries), {"error": error})
        )

    async def extend(self, deliveries: Deliveries, *, seconds: float) -> tuple[Delivery, ...]:
        """Move deadlines to this many seconds from now; the tokens stay."""
        length = self._seconds(seconds, "seconds")
        return await self._send(subscription_calls.extend_leases(tokens_of(deliveries), seconds=length))

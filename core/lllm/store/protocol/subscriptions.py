"""Subscriptions: durable readers, at most once (`pull`) or at least once (`lease`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from lllm.store.inputs import UNSET, Deliveries, Unset
from lllm.store.models import Event, Snapshot, Subscription
from lllm.store.reports import CommitResult, Delivery, SubscriptionLag

__all__ = ["LeaseOperations", "SubscriptionOperations"]


class SubscriptionOperations(ABC):
    """The part of the `Store` protocol that concerns subscriptions and their automatic cursor."""

    @abstractmethod
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
        """Create a subscription, or return the one with that id.

        Creation is free of races: everybody who creates one id at the same time gets the same row.

        Args:
            channel: Name of the channel to read.
            subscription_id: Its id; a new one when None.
            consumer: Who reads; kept for people.
            batch_size: How many events a read returns when it names no limit.
            filters: `{"kind": ...}`, or nothing.
            metadata: Anything JSON can say.
            start: Where a new subscription begins: with the oldest kept event, with what is appended from
                now on, or above a cursor.
            lease_seconds: How long a lease lasts when the reader names no time; 30 when None.
            max_deliveries: How often an event is handed out before it is given up; without limit when None.
            dead_letter: Name of an existing channel that takes events that were given up.

        Returns:
            The new subscription, or the stored one unchanged, whatever else was passed.

        Raises:
            InvalidPayloadError: An argument is malformed, or a filter is not supported.
            ChannelNotFoundError: The channel or the dead-letter channel does not exist.
            SubscriptionExistsError: The id belongs to another channel, or has other filters than the ones
                passed.
        """

    @abstractmethod
    def get_subscription(self, subscription_id: str) -> Subscription:
        """Return one subscription; its `cursor` is the floor below which everything is finished.

        Args:
            subscription_id: Its id.

        Raises:
            InvalidPayloadError: The id is no path segment.
            SubscriptionNotFoundError: There is no such subscription.
        """

    @abstractmethod
    def list_subscriptions(self, channel: str | None = None) -> tuple[Subscription, ...]:
        """Return subscriptions, ordered by id.

        Args:
            channel: Only those of this channel.

        Raises:
            InvalidPayloadError: The name is no path segment.
            ChannelNotFoundError: There is no such channel.
        """

    @abstractmethod
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
        """Replace settings of a subscription; what is not named stays.

        Args:
            subscription_id: Its id.
            batch_size: New batch size.
            metadata: New metadata; None means an empty object.
            lease_seconds: New default lease in seconds; None for 30.
            max_deliveries: New bound on deliveries; None for none.
            dead_letter: New dead-letter channel; None for none.

        Returns:
            The subscription as stored.

        Raises:
            InvalidPayloadError: An argument is malformed.
            SubscriptionNotFoundError: There is no such subscription.
            ChannelNotFoundError: The dead-letter channel does not exist.
        """

    @abstractmethod
    def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription; its leases are lost.

        Args:
            subscription_id: Its id.

        Raises:
            InvalidPayloadError: The id is no path segment.
            SubscriptionNotFoundError: There is no such subscription.
        """

    @abstractmethod
    def pull_subscription(self, subscription_id: str, *, limit: int | None = None) -> tuple[Event, ...]:
        """Take the next matching events and finish them in the same transaction.

        This is at-most-once: a consumer that crashes after the call has lost the events. Where that
        matters, use `lease` and `ack`, or `commit`. Consumers that compete never share an event.

        Args:
            subscription_id: Its id.
            limit: How many events at most; the batch size when None.

        Returns:
            First events whose lease or delay ran out, then new ones, each group by cursor.

        Raises:
            InvalidPayloadError: An argument is malformed.
            SubscriptionNotFoundError: There is no such subscription.
        """

    @abstractmethod
    def seek(
        self,
        subscription_id: str,
        *,
        cursor: int | None = None,
        time: float | None = None,
        to: Literal["beginning", "end"] | None = None,
    ) -> Subscription:
        """Move a subscription; exactly one place is named. All its leases and attempt counts are dropped.

        Args:
            subscription_id: Its id.
            cursor: The next event is the first matching one above this cursor.
            time: The next event is the first one appended at or after this unix time.
            to: The next event is the oldest kept one, or the first one appended from now on.

        Returns:
            The subscription as stored.

        Raises:
            InvalidPayloadError: An argument is malformed, or not exactly one place is named.
            SubscriptionNotFoundError: There is no such subscription.
        """

    @abstractmethod
    def lag(self, subscription_id: str) -> SubscriptionLag:
        """Tell how far a subscription is behind its channel.

        Args:
            subscription_id: Its id.

        Raises:
            InvalidPayloadError: The id is no path segment.
            SubscriptionNotFoundError: There is no such subscription.
        """


class LeaseOperations(ABC):
    """The part of the `Store` protocol that hands events out and takes them back."""

    @abstractmethod
    def lease(
        self,
        subscription_id: str,
        *,
        limit: int | None = None,
        lease_seconds: float | None = None,
        consumer: str | None = None,
        wait: float = 0.0,
    ) -> tuple[Delivery, ...]:
        """Hand out events that nobody else holds, at least once each.

        An event that is not finished before its deadline is handed out again. Beyond 10,000 unfinished
        deliveries of one subscription only redeliveries are returned.

        Args:
            subscription_id: Its id.
            limit: How many events at most; the batch size when None.
            lease_seconds: How long the leases last; the subscription's own time when None, else 30.
            consumer: Who takes them, for logs.
            wait: How long to wait for an event when there is none, in seconds.

        Returns:
            Deliveries, each with a token of its own: first events whose lease or delay ran out, then new
            ones, each group by cursor.

        Raises:
            InvalidPayloadError: An argument is malformed.
            SubscriptionNotFoundError: There is no such subscription.
        """

    @abstractmethod
    def ack(self, deliveries: Deliveries) -> int:
        """Finish deliveries: all of them or none.

        A lease that expired and was not handed out again is still good. Repeating an ack does nothing.

        Args:
            deliveries: Deliveries or their tokens.

        Returns:
            How many deliveries are finished by these tokens.

        Raises:
            InvalidPayloadError: It is not deliveries or tokens.
            LeaseLostError: Tokens that are no longer the current ones of their events; all are named.
        """

    @abstractmethod
    def nack(self, deliveries: Deliveries, *, delay: float = 0.0, error: str | None = None) -> int:
        """Give deliveries back, to be handed out again; at `max_deliveries` they are given up.

        Args:
            deliveries: Deliveries or their tokens.
            delay: Not before this many seconds.
            error: What went wrong; kept with a dead letter.

        Returns:
            How many deliveries were given back or given up.

        Raises:
            InvalidPayloadError: An argument is malformed.
            LeaseLostError: Tokens that are no longer the current ones of their events; all are named.
        """

    def release(self, deliveries: Deliveries) -> int:
        """Give deliveries back that were never worked on, as a consumer does that stops.

        Where the store can, the deliveries do not count as attempts; otherwise this is `nack`.

        Args:
            deliveries: Deliveries or their tokens.

        Returns:
            How many deliveries were given back.

        Raises:
            InvalidPayloadError: It is not deliveries or tokens.
            LeaseLostError: Tokens that are no longer the current ones of their events; all are named.
        """
        return self.nack(deliveries)

    @abstractmethod
    def reject(self, deliveries: Deliveries, *, error: str | None = None) -> int:
        """Give deliveries up at once: they go to the dead-letter channel, or are finished without one.

        Args:
            deliveries: Deliveries or their tokens.
            error: What went wrong; kept with the dead letter.

        Returns:
            How many deliveries were given up.

        Raises:
            InvalidPayloadError: An argument is malformed.
            LeaseLostError: Tokens that are no longer the current ones of their events; all are named.
        """

    @abstractmethod
    def extend(self, deliveries: Deliveries, *, seconds: float) -> tuple[Delivery, ...]:
        """Move deadlines to this many seconds from now; the tokens stay.

        Args:
            deliveries: Deliveries or their tokens.
            seconds: Time from now.

        Returns:
            The deliveries with their new deadlines.

        Raises:
            InvalidPayloadError: An argument is malformed.
            LeaseLostError: Tokens that are no longer the current ones of their events; all are named.
        """

    @abstractmethod
    def commit(
        self,
        *,
        acks: Deliveries = (),
        events: Iterable[Event | Mapping[str, Any]] = (),
        snapshots: Iterable[Snapshot | Mapping[str, Any]] = (),
    ) -> CommitResult:
        """Finish deliveries, append events and write snapshots in one durable commit: all or nothing.

        Repeating a commit whose deliveries were finished by the same tokens, and whose events are stored
        with the same content, returns the same result: effectively-once processing inside one store.

        Args:
            acks: Deliveries or tokens to finish.
            events: Events to append.
            snapshots: Snapshots to write.

        Returns:
            How many deliveries were finished, and events and snapshots as stored.

        Raises:
            SSSNError: As for `ack`, `append_events` and `put_snapshot`; nothing happened.
        """

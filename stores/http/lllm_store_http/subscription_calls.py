"""Requests about subscriptions and leases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lllm.store import CommitResult, Delivery, Event, Subscription, SubscriptionLag
from lllm.store.names import require_segment
from lllm_store_http.requests import Call, fill, inside, items_of, nothing, reader

__all__ = [
    "commit",
    "create_subscription",
    "delete_subscription",
    "extend_leases",
    "finish_leases",
    "get_lag",
    "get_subscription",
    "lease",
    "list_subscriptions",
    "pull_subscription",
    "seek",
    "update_subscription",
]

_SUBSCRIPTION = reader(Subscription)
_DELIVERIES = inside("deliveries", reader(tuple[Delivery, ...]))


def _route(template: str, subscription_id: object) -> tuple[str, str]:
    return fill(template, require_segment(subscription_id, "subscription.id")), template


def create_subscription(body: Mapping[str, Any], *, repeatable: bool = False) -> Call[Subscription]:
    """Create a subscription from its JSON form; repeatable when it has an id."""
    path = "/subscriptions"
    return Call("POST", path, path, _SUBSCRIPTION, json=body, repeatable=repeatable)


def get_subscription(subscription_id: object) -> Call[Subscription]:
    """Get one subscription."""
    return Call("GET", *_route("/subscriptions/{id}", subscription_id), _SUBSCRIPTION, repeatable=True)


def pull_subscription(subscription_id: object, *, limit: Any) -> Call[tuple[Event, ...]]:
    """Take the next events and advance; never repeatable, a lost answer is a lost batch."""
    path = _route("/subscriptions/{id}/pull", subscription_id)
    return Call("POST", *path, reader(tuple[Event, ...]), params={"limit": limit})


def list_subscriptions(channel: object) -> Call[tuple[Subscription, ...]]:
    """List all subscriptions, or those of one channel."""
    params = None if channel is None else {"channel": require_segment(channel, "subscription.channel")}
    read = items_of("subscriptions", reader(tuple[Subscription, ...]))
    return Call("GET", "/v1/subscriptions", "/v1/subscriptions", read, params=params, repeatable=True)


def update_subscription(subscription_id: object, changes: Mapping[str, Any]) -> Call[Subscription]:
    """Change the given fields of a subscription."""
    path = _route("/v1/subscriptions/{subscription_id}", subscription_id)
    return Call("PATCH", *path, _SUBSCRIPTION, json=changes, repeatable=True)


def delete_subscription(subscription_id: object) -> Call[None]:
    """Delete a subscription."""
    return Call("DELETE", *_route("/v1/subscriptions/{subscription_id}", subscription_id), nothing)


def lease(subscription_id: object, options: Mapping[str, Any], *, wait: float) -> Call[tuple[Delivery, ...]]:
    """Lease the next events, waiting so many seconds for one."""
    path = _route("/v1/subscriptions/{subscription_id}/lease", subscription_id)
    return Call("POST", *path, _DELIVERIES, json={**options, "wait": wait}, waits=wait)


def finish_leases(verb: str, tokens: Sequence[str], options: Mapping[str, Any] | None = None) -> Call[int]:
    """Ack, nack, release or reject leases.

    Args:
        verb: `ack`, `nack`, `release` or `reject`; a repeated ack is a success, the others are not repeatable.
        tokens: Tokens of the deliveries.
        options: Further keys of the body; those that are None are left out.
    """
    path = f"/v1/leases/{verb}"
    given = {key: _sendable(value) for key, value in (options or {}).items() if value is not None}
    body = {"tokens": list(tokens), **given}
    return Call("POST", path, path, inside("count", int), json=body, repeatable=verb == "ack")


def _sendable(value: Any) -> Any:
    """Return a value that JSON can carry: what a worker reports may hold anything."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def extend_leases(tokens: Sequence[str], *, seconds: float) -> Call[tuple[Delivery, ...]]:
    """Give leases a new deadline."""
    path = "/v1/leases/extend"
    body = {"tokens": list(tokens), "seconds": seconds}
    return Call("POST", path, path, _DELIVERIES, json=body, repeatable=True)


def commit(body: Mapping[str, Any], *, repeatable: bool) -> Call[CommitResult]:
    """Finish leases, append events and write snapshots, all or nothing."""
    return Call("POST", "/v1/commit", "/v1/commit", reader(CommitResult), json=body, repeatable=repeatable)


def seek(subscription_id: object, where: Mapping[str, Any]) -> Call[Subscription]:
    """Move a subscription."""
    path = _route("/v1/subscriptions/{subscription_id}/seek", subscription_id)
    return Call("POST", *path, _SUBSCRIPTION, json=where, repeatable=True)


def get_lag(subscription_id: object) -> Call[SubscriptionLag]:
    """Get how far a subscription is behind."""
    path = _route("/v1/subscriptions/{subscription_id}/lag", subscription_id)
    return Call("GET", *path, reader(SubscriptionLag), repeatable=True)

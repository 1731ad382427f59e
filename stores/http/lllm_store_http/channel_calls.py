"""Requests about channels and their retention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lllm.store import Channel, Retention, RetentionReport
from lllm.store.names import require_segment
from lllm_store_http.requests import Call, fill, nothing, reader

__all__ = [
    "apply_retention",
    "create_channel",
    "delete_channel",
    "get_channel",
    "get_head",
    "get_retention",
    "list_channels",
    "set_retention",
    "update_channel",
]


def _route(template: str, name: object) -> tuple[str, str]:
    return fill(template, require_segment(name, "channel.name")), template


def create_channel(body: Mapping[str, Any]) -> Call[Channel]:
    """Create a channel from its JSON form."""
    return Call("POST", "/channels", "/channels", reader(Channel), json=body)


def list_channels() -> Call[tuple[Channel, ...]]:
    """List the channels by name."""
    return Call("GET", "/channels", "/channels", reader(tuple[Channel, ...]), repeatable=True)


def get_channel(name: object) -> Call[Channel]:
    """Get one channel."""
    return Call("GET", *_route("/channels/{name}", name), reader(Channel), repeatable=True)


def update_channel(name: object, changes: Mapping[str, Any]) -> Call[Channel]:
    """Change the given fields of a channel."""
    path = _route("/v1/channels/{name}", name)
    return Call("PATCH", *path, reader(Channel), json=changes, repeatable=True)


def delete_channel(name: object, *, force: bool) -> Call[None]:
    """Delete a channel, with `force` also one that has events or subscriptions."""
    return Call("DELETE", *_route("/v1/channels/{name}", name), nothing, params={"force": force or None})


def get_head(name: object) -> Call[dict[str, int]]:
    """Get `head` and `first_cursor` of a channel."""
    path = _route("/v1/channels/{name}/head", name)
    return Call(
        "GET", *path, lambda body: {key: int(body[key]) for key in ("head", "first_cursor")}, repeatable=True
    )


def get_retention(name: object) -> Call[Retention]:
    """Get the retention of a channel."""
    path = _route("/v1/channels/{name}/retention", name)
    return Call("GET", *path, reader(Retention), repeatable=True)


def set_retention(name: object, limits: Mapping[str, Any]) -> Call[Retention]:
    """Replace the retention of a channel."""
    path = _route("/v1/channels/{name}/retention", name)
    return Call("PUT", *path, reader(Retention), json=limits, repeatable=True)


def apply_retention(channel: object, *, dry_run: bool) -> Call[RetentionReport]:
    """Apply the retention of one channel, or of all for None."""
    body: dict[str, Any] = {"dry_run": dry_run}
    if channel is not None:
        body["channel"] = require_segment(channel, "channel.name")
    path = "/v1/retention/apply"
    return Call("POST", path, path, reader(RetentionReport), json=body, repeatable=dry_run)

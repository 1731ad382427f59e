"""Plain descriptions of channels and snapshots for package catalogues (PsiHub)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lllm.names import copy_boundary
from sssn.endpoints import StoreEndpointSpec, check_endpoint_specs, endpoint_specs

if TYPE_CHECKING:
    from lllm.store import Channel, Snapshot

__all__ = ["channel_resource", "snapshot_resource"]


def channel_resource(
    channel: Channel, *, custom_endpoints: Iterable[Callable[..., Any]] = ()
) -> dict[str, Any]:
    """Describe a channel for a catalogue.

    Args:
        channel: The channel.
        custom_endpoints: Functions decorated with `sssn.endpoint`; undecorated ones are skipped.

    Returns:
        A new dict with exactly the keys `name, schema, form, description, metadata, endpoints`.

    Raises:
        ValueError: Two endpoints share a name or a route.
    """
    return {
        "name": channel.name,
        "schema": channel.schema_ref,
        "form": channel.form,
        "description": channel.description,
        "metadata": copy_boundary(channel.metadata),
        "endpoints": _endpoint_resources(custom_endpoints),
    }


def snapshot_resource(
    snapshot: Snapshot,
    *,
    description: str = "",
    custom_endpoints: Iterable[Callable[..., Any]] = (),
) -> dict[str, Any]:
    """Describe a snapshot for a catalogue.

    Args:
        snapshot: The snapshot; its value is not part of the description.
        description: Text for people.
        custom_endpoints: Functions decorated with `sssn.endpoint`; undecorated ones are skipped.

    Returns:
        A new dict with exactly the keys `name, schema, channel, description, metadata, endpoints`.

    Raises:
        ValueError: Two endpoints share a name or a route.
    """
    return {
        "name": snapshot.name,
        "schema": snapshot.schema_ref,
        "channel": snapshot.channel,
        "description": description,
        "metadata": copy_boundary(snapshot.metadata),
        "endpoints": _endpoint_resources(custom_endpoints),
    }


def _endpoint_resources(functions: Iterable[Callable[..., Any]]) -> list[dict[str, Any]]:
    specs = [spec for _, spec in endpoint_specs(functions)]
    check_endpoint_specs(specs)
    return [_endpoint_resource(spec) for spec in specs]


def _endpoint_resource(spec: StoreEndpointSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "method": spec.method,
        "path": spec.path,
        "scope": spec.scope,
        "description": spec.description,
        "tags": list(spec.tags),
    }

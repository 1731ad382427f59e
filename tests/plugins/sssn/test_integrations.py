"""Catalogue entries of channels and snapshots: exactly their keys, and copies."""

from __future__ import annotations

import pytest

from sssn import Channel, Snapshot, channel_resource, endpoint, snapshot_resource


@endpoint.get("/channels/{name}/count", scope="channel", tags=["stats"])
def count_events():
    """Count."""


@endpoint.post("/tail", description="Follow.")
def tail(): ...


COUNT = {
    "name": "count_events",
    "method": "GET",
    "path": "/channels/{name}/count",
    "scope": "channel",
    "description": "Count.",
    "tags": ["stats"],
}


def test_channel_resource():
    """The six keys, with one entry for each decorated function."""
    channel = Channel(name="raw", schema="S", form="topic", description="d", metadata={"a": [1]})
    resource = channel_resource(channel, custom_endpoints=[count_events, len, tail])
    assert resource == {
        "name": "raw",
        "schema": "S",
        "form": "topic",
        "description": "d",
        "metadata": {"a": [1]},
        "endpoints": [
            COUNT,
            {
                "name": "tail",
                "method": "POST",
                "path": "/tail",
                "scope": "store",
                "description": "Follow.",
                "tags": [],
            },
        ],
    }
    assert list(resource) == ["name", "schema", "form", "description", "metadata", "endpoints"]
    resource["metadata"]["a"].append(2)
    assert channel.metadata == {"a": [1]}


def test_snapshot_resource():
    """The six keys; value, revision and timestamp stay out of the catalogue."""
    snapshot = Snapshot(
        name="latest", channel="raw", schema="S", value={"secret": 1}, metadata={"a": 1}, revision=3
    )
    assert snapshot_resource(snapshot, description="d", custom_endpoints=[count_events]) == {
        "name": "latest",
        "schema": "S",
        "channel": "raw",
        "description": "d",
        "metadata": {"a": 1},
        "endpoints": [COUNT],
    }
    assert snapshot_resource(Snapshot(name="n"))["description"] == ""


def test_duplicates_are_refused():
    """Two endpoints with one name or one route cannot be published together."""

    @endpoint.get("/other", name="count_events")
    def same_name(): ...

    @endpoint.get("/channels/{channel}/count")
    def same_route(): ...

    with pytest.raises(ValueError, match="duplicate custom endpoint name: 'count_events'"):
        channel_resource(Channel(name="raw"), custom_endpoints=[count_events, same_name])
    with pytest.raises(
        ValueError, match=r"duplicate custom endpoint route: GET '/channels/\{channel\}/count'"
    ):
        snapshot_resource(Snapshot(name="n"), custom_endpoints=[count_events, same_route])

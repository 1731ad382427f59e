"""Requests about artifacts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lllm.store import Artifact
from lllm.store.names import require_segment
from lllm_store_http.requests import Call, fill, items_of, nothing, reader

__all__ = [
    "content_path",
    "delete_artifact",
    "get_artifact",
    "list_artifacts",
    "upload_artifact",
    "write_artifact",
]

_ARTIFACT = reader(Artifact)


def content_path(artifact_id: object) -> str:
    """Return the path under which the bytes of an artifact are served."""
    return fill("/artifacts/{id}", require_segment(artifact_id, "artifact.id"))


def write_artifact(body: Mapping[str, Any]) -> Call[Artifact]:
    """Write an artifact whose content is text or base64 in the body."""
    return Call("POST", "/artifacts", "/artifacts", _ARTIFACT, json=body)


def upload_artifact(
    content: Any,
    fields: Mapping[str, Any],
    *,
    sha256: str | None = None,
    artifact_id: str | None = None,
    repeatable: bool = False,
) -> Call[Artifact]:
    """Write an artifact whose content is the raw body of the request.

    Args:
        content: The bytes, or an iterable of bytes of the kind that the client can send.
        fields: `channel`, `media_type`, `metadata` and `event_ids` of the artifact.
        sha256: Hash that the content must have.
        artifact_id: Id of the artifact.
        repeatable: Whether the content can be sent again and the id makes a repeat harmless.
    """
    metadata, event_ids = fields["metadata"], fields["event_ids"]
    params = {
        "channel": fields["channel"],
        "media_type": fields["media_type"],
        "metadata": json.dumps(metadata, separators=(",", ":")) if metadata else None,
        "event_id": list(event_ids) or None,
        "sha256": sha256,
        "id": artifact_id,
    }
    path = "/v1/artifacts"
    return Call("POST", path, path, _ARTIFACT, params=params, content=content, repeatable=repeatable)


def get_artifact(artifact_id: object) -> Call[Artifact]:
    """Get the record of an artifact."""
    template = "/artifacts/{id}/metadata"
    path = fill(template, require_segment(artifact_id, "artifact.id"))
    return Call("GET", path, template, _ARTIFACT, repeatable=True)


def list_artifacts(*, channel: object, event_id: object, limit: int) -> Call[tuple[Artifact, ...]]:
    """List artifacts, all or those of a channel or an event."""
    params = {
        "channel": None if channel is None else require_segment(channel, "artifact.channel"),
        "event_id": None if event_id is None else require_segment(event_id, "event.id"),
        "limit": limit,
    }
    read = items_of("artifacts", reader(tuple[Artifact, ...]))
    return Call("GET", "/v1/artifacts", "/v1/artifacts", read, params=params, repeatable=True)


def delete_artifact(artifact_id: object) -> Call[None]:
    """Delete the record of an artifact."""
    template = "/v1/artifacts/{artifact_id}"
    return Call("DELETE", fill(template, require_segment(artifact_id, "artifact.id")), template, nothing)

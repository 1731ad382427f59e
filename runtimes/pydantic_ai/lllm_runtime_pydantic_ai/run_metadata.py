"""What the run of an agent carries of the call's context; the library exports it on spans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lllm.context import CallContext
from lllm.secrets import public_copy

__all__ = ["run_metadata"]

_IDS = ("request_id", "trace_id", "span_id", "package_ref", "service_ref", "tactic_ref", "endpoint", "tags")


def run_metadata(context: CallContext, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public metadata of a context with its ids as `lllm_request_id`, `lllm_trace_id` and so on.

    Keys that look like secrets stay behind, and so do ids that are not set; a key of the metadata wins over an id.

    Args:
        context: The context of the call.
        own: What the run carries whatever the context is; the context's keys win.
    """
    metadata: dict[str, Any] = public_copy({**own, **context.metadata} if own else context.metadata)
    for name in _IDS:
        value = getattr(context, name)
        if value:
            metadata.setdefault(f"lllm_{name}", dict(value) if name == "tags" else value)
    return metadata

"""Requests about the whole store."""

from __future__ import annotations

from typing import Any

from lllm.store import CheckReport
from lllm_store_http.requests import Call, inside, reader

__all__ = ["check", "collect_garbage", "get_capabilities", "get_stats", "import_lines"]

_OBJECT = reader(dict[str, Any])


def get_stats() -> Call[dict[str, Any]]:
    """Get counts, sizes, heads and lags."""
    return Call("GET", "/v1/stats", "/v1/stats", _OBJECT, repeatable=True)


def get_capabilities() -> Call[dict[str, Any]]:
    """Get what the store behind the server promises."""
    return Call("GET", "/v1/capabilities", "/v1/capabilities", _OBJECT, repeatable=True)


def check(*, deep: bool) -> Call[CheckReport]:
    """Check the store for damage, with `deep` also the bytes of artifacts."""
    path = "/v1/check"
    return Call("POST", path, path, reader(CheckReport), json={"deep": deep}, repeatable=True)


def collect_garbage(*, older_than: float, dry_run: bool) -> Call[dict[str, Any]]:
    """Remove bytes that no artifact names."""
    path = "/v1/garbage"
    body = {"older_than": older_than, "dry_run": dry_run}
    return Call("POST", path, path, _OBJECT, json=body, repeatable=True)


def import_lines(content: Any, *, on_conflict: str) -> Call[int]:
    """Import the lines of an export.

    Args:
        content: The lines as an iterable of bytes, of the kind that the client can send.
        on_conflict: `error` or `skip`.
    """
    path = "/v1/import"
    params = {"on_conflict": on_conflict}
    return Call(
        "POST",
        path,
        path,
        inside("count", int),
        params=params,
        content=content,
        content_type="application/x-ndjson",
    )

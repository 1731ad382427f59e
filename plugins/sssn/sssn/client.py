"""Clients of a served store, one for threads and one for event loops.

httpx is imported at the first request, not here.
"""

from __future__ import annotations

from sssn.errors import SSSNClientError

try:
    from sssn.async_client import AsyncSSSNClient
    from sssn.sync_client import SSSNClient
except ModuleNotFoundError as error:
    raise ImportError("Install sssn[client] to use the HTTP clients.", name=error.name) from error

__all__ = ["AsyncSSSNClient", "SSSNClient", "SSSNClientError"]

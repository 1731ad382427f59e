"""From the text of `--store` to an open store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sssn.locations import locate

if TYPE_CHECKING:
    from lllm.store import Store

__all__ = ["bearer_token", "open_target"]


def open_target(
    target: str, *, token_env: str | None = None, create: bool = False, changes_only: bool = False
) -> Store:
    """Open the store that a command works on.

    Args:
        target: Directory or store URL.
        token_env: Environment variable with the bearer token, for a store behind HTTP.
        create: Create a missing directory now. Otherwise it reads as an empty store, and the first
            write creates it.
        changes_only: The command changes only what exists, so that a missing directory stays missing.

    Raises:
        ValueError: `target` is blank or padded, or the environment variable is not set.
        SSSNError: The store cannot be opened.
    """
    from lllm.store import open_store

    if not target or target != target.strip():
        raise ValueError("store root must be a non-empty path string")
    options: dict[str, Any] = {}
    if token_env is not None:
        options["token"] = bearer_token(token_env)
    path = None if create else locate(target, Path()).path
    if path is not None:
        if changes_only and not (path.is_dir() and any(path.iterdir())):
            from lllm.store import MemoryStore

            return MemoryStore()
        options["create"] = False
    return open_store(target, **options)


def bearer_token(variable: str) -> str:
    """Return the token that an environment variable holds.

    Args:
        variable: Name of the variable.

    Raises:
        ValueError: The variable is not set or blank.
    """
    token = os.environ.get(variable, "").strip()
    if not token:
        raise ValueError(f"environment variable `{variable}` holds no token; set it to the bearer token")
    return token

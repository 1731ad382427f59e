"""Credentials by ref: a config names where a secret is kept, and the secret itself stays outside of it.

A ref is `env:NAME`, an environment variable as it is, or a name such as `openai.default`, which is looked up as
the variable `LLLM_CREDENTIAL_OPENAI_DEFAULT` and then in the user's own `credentials.toml`. What is found is
handed to the runtime that needs it, never kept here and never shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lllm.config import read_config
from lllm.errors import ConfigError, CredentialNotFoundError
from lllm.secrets import looks_secret

__all__ = [
    "check_credential_ref",
    "credential_variable",
    "credentials_path",
    "find_credential",
    "read_credential",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9][A-Za-z0-9_-]*)*")
_VARIABLE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")


def check_credential_ref(value: object, label: str = "api_key_ref") -> str:
    """Check a credential ref and return it unchanged.

    Args:
        value: `env:NAME` or a dotted name such as `openai.default`.
        label: Name of the field, for the error.

    Returns:
        The same text.

    Raises:
        ValueError: It is not such a text, or looks like a secret itself; the value is not repeated then.
    """
    if (
        isinstance(value, str)
        and not looks_secret(value)
        and (_VARIABLE.fullmatch(value) or _NAME.fullmatch(value))
    ):
        return value
    raise ValueError(
        f"{label} must name a credential, such as `openai.default` or `env:OPENAI_API_KEY`, and never be one."
    )


def credential_variable(ref: str) -> str:
    """Return the environment variable in which a credential is looked for.

    Args:
        ref: A credential ref.

    Returns:
        `NAME` for `env:NAME`; otherwise `LLLM_CREDENTIAL_` and the name in upper case, with `_` for every other
        character.
    """
    if ref.startswith("env:"):
        return ref.removeprefix("env:")
    return "LLLM_CREDENTIAL_" + re.sub(r"[^A-Z0-9]", "_", ref.upper())


def credentials_path() -> Path:
    """Return the file of the user's credentials: `lllm/credentials.toml` in the user's config folder.

    The folder is `$XDG_CONFIG_HOME` when that is an absolute path, else `~/.config`.
    """
    home = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(home) if home and Path(home).is_absolute() else Path.home() / ".config"
    return folder / "lllm" / "credentials.toml"


def find_credential(ref: str) -> str | None:
    """Look a credential up.

    Args:
        ref: A credential ref.

    Returns:
        The secret, or None when nothing is kept under that name.

    Raises:
        ValueError: The ref is malformed.
        OSError: The credentials file exists and cannot be read.
        ConfigError: The credentials file holds something else than a text under that name.
        tomllib.TOMLDecodeError: The credentials file is not valid TOML.
    """
    check_credential_ref(ref, "credential ref")
    value = os.environ.get(credential_variable(ref), "").strip()
    if value or ref.startswith("env:"):
        return value or None
    try:
        tables = read_config(credentials_path())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _look_up(tables, ref)


def read_credential(ref: str) -> str:
    """Look a credential up that must be there.

    Args:
        ref: A credential ref.

    Returns:
        The secret.

    Raises:
        CredentialNotFoundError: Nothing is kept under that name; the text says where to put it.
        ValueError: The ref is malformed, or the credentials file is.
        OSError: The credentials file exists and cannot be read.
    """
    value = find_credential(ref)
    if value is None:
        file = "" if ref.startswith("env:") else f", or `{ref} = ...` in {credentials_path()}"
        raise CredentialNotFoundError(
            f"Credential `{ref}` is not set: set the environment variable {credential_variable(ref)}{file}."
        )
    return value


def _look_up(tables: Mapping[str, Any], ref: str) -> str | None:
    """Find `"a.b" = ...` or `b = ...` in the table `[a]`."""
    value: Any = tables.get(ref)
    if value is None:
        value = tables
        for part in ref.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    raise ConfigError(
        f"`{ref}` must be a string, got {type(value).__name__}.",
        path=credentials_path(),
        key=tuple(ref.split(".")),
    )

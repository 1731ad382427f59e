"""What the distributions of this repository contribute, for texts that say what to install.

Nothing else depends on this table: a plugin that is not in it works just the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import lllm.distributions as known
from lllm.distributions import Distribution

__all__ = [
    "COMMANDS",
    "HOOKS",
    "RUNTIMES",
    "RUNTIME_SCHEMES",
    "STORES",
    "STORE_SCHEMES",
    "distribution_of",
    "install_text",
]

RUNTIMES = {
    "agents": known.AGENTS,
    "callable": known.CALLABLE,
    "pydantic-ai": known.PYDANTIC_AI,
    "remote": known.REMOTE,
}
RUNTIME_SCHEMES = {"http": known.REMOTE, "https": known.REMOTE}
STORES = {"file": known.STORE_FILE, "http": known.STORE_HTTP, "sqlite": known.STORE_SQLITE}
STORE_SCHEMES = {
    "file": known.STORE_FILE,
    "http": known.STORE_HTTP,
    "https": known.STORE_HTTP,
    "sqlite": known.STORE_SQLITE,
}
COMMANDS = {
    "call": known.REMOTE,
    "create": known.PACKAGES,
    "pkg": known.PACKAGES,
    "process": known.PROCESS,
    "serve": known.SERVE,
    "sssn": known.SSSN,
}
HOOKS = {
    "lllm_invokers": known.AGENTS,
    "lllm_serve_app": known.SERVE,
    "lllm_serve_auth": known.SERVE,
}

_TABLES: Mapping[str, Mapping[str, Distribution]] = {
    "command": COMMANDS,
    "hook": HOOKS,
    "runtime": RUNTIMES,
    "runtime scheme": RUNTIME_SCHEMES,
    "store": STORES,
    "store scheme": STORE_SCHEMES,
}


def distribution_of(kind: str, name: str) -> Distribution | None:
    """Return the distribution that contributes a name, or None when it is not one of ours.

    Args:
        kind: `command`, `hook`, `runtime`, `runtime scheme`, `store` or `store scheme`.
        name: What was asked for.
    """
    return _TABLES.get(kind, {}).get(name)


def install_text(kind: str, name: str) -> str | None:
    """Return the command that installs what contributes a name, or None when it is not one of ours.

    Args:
        kind: As for `distribution_of`.
        name: What was asked for.
    """
    distribution = distribution_of(kind, name)
    return None if distribution is None else distribution.install

"""The distributions of this repository by what they contribute, for texts that say what to install.

Nothing else depends on this table: a plugin that is not in it works just the same.
"""

from __future__ import annotations

__all__ = ["COMMANDS", "HOOKS", "RUNTIMES", "RUNTIME_SCHEMES", "STORES", "STORE_SCHEMES", "install_text"]

RUNTIMES = {
    "agents": "lllm-runtime-agents",
    "callable": "lllm-runtime-callable",
    "pydantic-ai": "lllm-runtime-pydantic-ai",
    "remote": "lllm-runtime-remote",
}
RUNTIME_SCHEMES = {"http": "lllm-runtime-remote", "https": "lllm-runtime-remote"}
STORES = {"file": "lllm-store-file", "http": "lllm-store-http", "sqlite": "lllm-store-sqlite"}
STORE_SCHEMES = {
    "file": "lllm-store-file",
    "http": "lllm-store-http",
    "https": "lllm-store-http",
    "sqlite": "lllm-store-sqlite",
}
COMMANDS = {
    "create": "lllm-packages",
    "hub": "lllm-packages",
    "pkg": "lllm-packages",
    "process": "lllm-process",
    "psi": "lllm-packages",
    "serve": "lllm-serve",
    "sssn": "lllm-sssn",
}
HOOKS = {
    "lllm_invokers": "lllm-runtime-agents",
    "lllm_serve_app": "lllm-serve",
    "lllm_serve_auth": "lllm-serve",
}

_TABLES = {
    "command": COMMANDS,
    "hook": HOOKS,
    "runtime": RUNTIMES,
    "runtime scheme": RUNTIME_SCHEMES,
    "store": STORES,
    "store scheme": STORE_SCHEMES,
}


def install_text(kind: str, name: str) -> str | None:
    """Return the command that installs what contributes a name, or None when it is not one of ours.

    Args:
        kind: `command`, `hook`, `runtime`, `runtime scheme`, `store` or `store scheme`.
        name: What was asked for.
    """
    distribution = _TABLES.get(kind, {}).get(name)
    return f"pip install {distribution}" if distribution else None

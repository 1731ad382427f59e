"""The distributions of this repository: the one table behind every text that says what to install.

Nothing else depends on it: a plugin that is not in it works just the same.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "AGENTS",
    "CALLABLE",
    "PACKAGES",
    "PROCESS",
    "PYDANTIC_AI",
    "REMOTE",
    "SERVE",
    "SSSN",
    "STORE_FILE",
    "STORE_HTTP",
    "STORE_SQLITE",
    "WRAPPERS",
    "Distribution",
]


class Distribution(NamedTuple):
    """One distribution of a plugin.

    Args:
        package: Name of its import package.
        title: What an error calls the plugin.
        name: Name of the distribution.
        extra: What to install instead, when an extra of `lllm` brings it.
    """

    package: str
    title: str
    name: str
    extra: str | None = None

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install {self.extra or self.name}"


AGENTS = Distribution("lllm_runtime_agents", "the agents runtime", "lllm-runtime-agents")
CALLABLE = Distribution("lllm_runtime_callable", "the callable runtime", "lllm-runtime-callable")
PYDANTIC_AI = Distribution(
    "lllm_runtime_pydantic_ai", "the Pydantic AI runtime", "lllm-runtime-pydantic-ai", "'lllm[pydantic-ai]'"
)
REMOTE = Distribution("lllm_runtime_remote", "the remote runtime", "lllm-runtime-remote", "'lllm[client]'")
STORE_FILE = Distribution("lllm_store_file", "the file store", "lllm-store-file")
STORE_HTTP = Distribution("lllm_store_http", "the HTTP store", "lllm-store-http")
STORE_SQLITE = Distribution("lllm_store_sqlite", "the SQLite store", "lllm-store-sqlite")
PACKAGES = Distribution("lllm_packages", "the packages plugin", "lllm-packages")
PROCESS = Distribution("lllm_process", "the process plugin", "lllm-process")
SERVE = Distribution("lllm_serve", "the serve plugin", "lllm-serve", "'lllm[server]'")
SSSN = Distribution("sssn", "the SSSN plugin", "lllm-sssn")
WRAPPERS = Distribution("lllm_wrappers", "the wrappers plugin", "lllm-wrappers")

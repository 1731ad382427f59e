"""What the registry knows about a loaded package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["PackageInfo"]


@dataclass(frozen=True, slots=True)
class PackageInfo:
    """A package that was loaded into a registry.

    Attributes:
        name: The name in its `lllm.toml`, or the name of its folder.
        version: The version as written; empty when none is given.
        description: One or more sentences; may be empty.
        base_dir: The folder of its `lllm.toml`.
        alias: A second name under which its resources are registered.
    """

    name: str
    version: str
    description: str
    base_dir: Path
    alias: str | None = None

    @property
    def effective_name(self) -> str:
        """The alias where there is one, else the name."""
        return self.alias or self.name

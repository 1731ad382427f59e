"""What this repository is made of: one record for each distribution."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("runtimes", "stores", "plugins")


@dataclass(frozen=True, slots=True)
class Member:
    """One distribution of the workspace.

    Attributes:
        folder: Its folder below the repository's root, with forward slashes; `.` for the core.
        project: Its parsed `pyproject.toml`.
        package: The folder of its import package.
    """

    folder: str
    project: dict[str, Any]
    package: Path

    @property
    def name(self) -> str:
        """Name of the distribution."""
        return str(self.project["project"]["name"])

    @property
    def requirements(self) -> tuple[str, ...]:
        """Every requirement, those of extras included, as written."""
        table = self.project["project"]
        extras = table.get("optional-dependencies", {})
        return (*table.get("dependencies", ()), *(text for extra in extras.values() for text in extra))


def member(folder: Path, *, root: Path = ROOT) -> Member:
    """Read the member in `folder`.

    Args:
        folder: A folder with a `pyproject.toml` whose wheel holds exactly one package.
        root: The repository.

    Returns:
        Its record.
    """
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    (package,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return Member(folder.relative_to(root).as_posix(), project, folder / package)


def plugins(root: Path = ROOT) -> tuple[Member, ...]:
    """Return the members under runtimes/, stores/ and plugins/, by folder."""
    files = (path for group in GROUPS for path in root.glob(f"{group}/*/pyproject.toml"))
    return tuple(member(path.parent, root=root) for path in sorted(files))


def members(root: Path = ROOT) -> tuple[Member, ...]:
    """Return the core and then every plugin."""
    return (member(root, root=root), *plugins(root))

"""`create_project`: a new project from a template."""

from __future__ import annotations

import keyword
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from lllm.names import check_flag

__all__ = ["TEMPLATES", "ScaffoldResult", "create_project"]

TEMPLATES = ("plain", "pydantic-ai", "native")
"""The kinds of projects."""

# Packages of these names would hide a module that the project itself, or what it depends on, imports.
_TAKEN = frozenset(
    "app client docs fastapi httpx lllm pydantic pydantic_ai pytest setuptools sssn starlette test tests "
    "uvicorn".split()
)


@dataclass(frozen=True, slots=True)
class ScaffoldResult:
    """A project that was created.

    Attributes:
        path: Its folder.
        package_name: Name of its import package.
        template: The template.
        files: The files that were written.
    """

    path: Path
    package_name: str
    template: str
    files: tuple[Path, ...]


def create_project(
    template: str, name: str, *, directory: str | os.PathLike[str] = ".", force: bool = False
) -> ScaffoldResult:
    """Create a project with a tactic, a service, a client, tests and a tutorial.

    Args:
        template: `plain`, `pydantic-ai` or `native`.
        name: Name of the project; its folder is called so, in lower case.
        directory: The folder in which the project's folder is made.
        force: Whether to write into a folder that is not empty.

    Returns:
        What was written.

    Raises:
        TypeError: `force` is not a boolean.
        ValueError: An argument is not valid.
        FileExistsError: The folder is not empty.
    """
    check_flag(force, "force")
    if template not in TEMPLATES:
        raise ValueError(f"template must be one of: {', '.join(TEMPLATES)}; got {template!r}.")
    slug = _slug(name)
    target = _directory(directory) / slug
    package = _package_name(slug)
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())) and not force:
        raise FileExistsError(f"Project directory is not empty: {target.as_posix()}")
    from lllm_packages.scaffold_files import project_files

    files = project_files(template, slug, package)
    return ScaffoldResult(
        target, package, template, tuple(_write(target / path, text) for path, text in files.items())
    )


def _slug(name: object) -> str:
    if not isinstance(name, str) or not name or name != name.strip():
        raise ValueError("Project name must be a non-empty string.")
    if not {"/", ":", "\\"}.isdisjoint(name):
        raise ValueError(f"Project name must not contain path separators, got {name!r}.")
    if "%" in name:
        raise ValueError(f"Project name must not contain percent escapes, got {name!r}.")
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-").lower()
    if not any(character.isalnum() for character in slug):
        raise ValueError(f"Project name must contain a letter or number, got {name!r}.")
    return slug


def _package_name(slug: str) -> str:
    name = re.sub(r"\W", "_", slug)
    is_taken = name in _TAKEN or name in sys.stdlib_module_names or name.startswith("lllm_")
    return f"tactic_{name}" if name[0].isdigit() or keyword.iskeyword(name) or is_taken else name


def _directory(directory: object) -> Path:
    text = os.fspath(directory) if isinstance(directory, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or text != text.strip():
        raise ValueError(f"directory must be a non-empty path without spaces around it, got {directory!r}.")
    return Path(text)


def _write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_symlink():  # with `force`: what the link points to is not part of the project
        file.unlink()
    file.write_text(text, encoding="utf-8")
    return file

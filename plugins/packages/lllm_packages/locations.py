"""Where packages are installed: for the user, or for one project."""

from __future__ import annotations

from pathlib import Path

from lllm_packages.registry import Runtime
from lllm_packages.search import project_folder
from lllm_packages.settings import PROJECT_FOLDER, user_packages

__all__ = ["SCOPES", "check_scope", "install_root"]

SCOPES = ("user", "project")
"""The places to install to."""


def check_scope(scope: object) -> str:
    """Return a scope that is one of `SCOPES`.

    Args:
        scope: Anything.

    Raises:
        ValueError: It is no scope.
    """
    if scope in SCOPES:
        return str(scope)
    raise ValueError(f"scope must be 'user' or 'project', got {scope!r}.")


def install_root(scope: str, runtime: Runtime | None = None) -> Path:
    """Return the folder that holds the packages installed in a scope; it need not exist.

    Args:
        scope: `user` or `project`.
        runtime: The registry whose project is meant; None for that of the working directory.

    Raises:
        ValueError: It is another scope.
        RuntimeError: The user has no home folder.
    """
    if check_scope(scope) == "project":
        project = runtime.project_dir if runtime is not None else None
        return (project or project_folder()) / PROJECT_FOLDER
    folder = user_packages()
    if folder is None:
        raise RuntimeError("There is no home folder to install into; use scope 'project', or set HOME.")
    return folder

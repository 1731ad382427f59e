"""What the environment says about discovery, and where packages are installed."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = [
    "PROJECT_FOLDER",
    "auto_cwd_fallback",
    "auto_init",
    "auto_shared_packages",
    "home",
    "user_packages",
]

PROJECT_FOLDER = "lllm_packages"
"""The sub-folder of a project or package with the packages that are installed for it alone."""

_OFF = frozenset({"0", "false", "no", "off"})


def _switch(name: str, *, default: bool) -> bool:
    value = os.environ.get(name, "").strip().lower()
    return value not in _OFF if value else default


def auto_init() -> bool:
    """Return whether the default registry discovers packages by itself: `LLLM_AUTO_INIT`."""
    return _switch("LLLM_AUTO_INIT", default=True)


def auto_shared_packages() -> bool:
    """Return whether installed packages are discovered too: `LLLM_AUTO_SHARED_PACKAGES`."""
    return _switch("LLLM_AUTO_SHARED_PACKAGES", default=True)


def auto_cwd_fallback() -> bool:
    """Return whether bare folders in the working directory count as a package: `LLLM_AUTO_CWD_FALLBACK`."""
    return _switch("LLLM_AUTO_CWD_FALLBACK", default=False)


def home() -> Path | None:
    """Return the user's home folder; None when there is none, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def user_packages() -> Path | None:
    """Return the folder of the packages installed for the user: `~/.lllm/packages`."""
    folder = home()
    return folder / ".lllm" / "packages" if folder is not None else None

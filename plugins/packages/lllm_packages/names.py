"""The rules for names of packages, aliases and sections."""

from __future__ import annotations

import re

__all__ = ["check_alias", "check_package_name", "folder_name", "is_package_name", "is_section_name"]

_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ALIAS = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_SECTION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")
_OUTSIDE = re.compile(r"[^A-Za-z0-9_-]+")


def is_package_name(text: str) -> bool:
    """Tell whether a text can name a package; such a name is always one plain folder name.

    Args:
        text: Any text.
    """
    return _PACKAGE.fullmatch(text) is not None and ".." not in text


def is_section_name(text: str) -> bool:
    """Tell whether a text can name a section of `lllm.toml`.

    Args:
        text: Any text.
    """
    return _SECTION.fullmatch(text) is not None


def check_package_name(value: object, label: str = "package name") -> str:
    """Return `value` when it can name a package.

    Args:
        value: Anything.
        label: Where the value comes from, for the error.

    Raises:
        ValueError: It is not a string, or not 1 to 128 letters, digits, `.`, `_` and `-`.
    """
    if isinstance(value, str) and is_package_name(value):
        return value
    raise ValueError(
        f"{label} {value!r} is not a valid package name: use 1 to 128 letters, digits, `.`, `_` and `-`, "
        "beginning with a letter or digit and without `..`."
    )


def check_alias(value: object) -> str:
    """Return `value` when a package can be installed under it as an alias.

    Args:
        value: Anything.

    Raises:
        ValueError: It is not lower-case letters, digits, `-` and `_`.
    """
    if isinstance(value, str) and _ALIAS.fullmatch(value):
        return value
    raise ValueError(
        f"alias {value!r} is not a valid package name: use lower-case letters, digits, hyphens and "
        "underscores, beginning with a letter or digit."
    )


def folder_name(text: str) -> str:
    """Return the package name for a folder whose `lllm.toml` gives none.

    Args:
        text: Name of the folder; what a package name cannot hold becomes `-`.
    """
    if is_package_name(text):
        return text
    return _OUTSIDE.sub("-", text).strip("-_")[:128] or "package"

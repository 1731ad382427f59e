"""Where a store is: from the text of a binding or a command line to what opens it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lllm.store.urls import directory_of, scheme_of

__all__ = ["StoreLocation", "leaves_root", "locate"]

HTTP_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """A store that `open_store` can open.

    Args:
        target: Directory or store URL; it no longer depends on the working directory.
        path: Directory of the store when it is on this machine, else None.
    """

    target: str
    path: Path | None


def locate(text: str, root: Path) -> StoreLocation:
    """Find the store that a text names.

    Args:
        text: Directory or store URL; `~` is expanded.
        root: Directory that relative paths start at.

    Raises:
        StoreURLError: The URL names another host or no directory.
    """
    scheme = scheme_of(text)
    if scheme is None:
        path = root / Path(text).expanduser()
        return StoreLocation(str(path), path)
    if not _is_directory_scheme(scheme):
        return StoreLocation(text, None)
    path = root / directory_of(text)
    return StoreLocation(f"{scheme}://{quote(str(path.absolute()))}", path)


def leaves_root(text: str) -> bool:
    """Tell whether the path of a store, read from a config, leads out of the config's folder.

    Args:
        text: Directory or store URL; URLs of stores that are no directories lead nowhere.

    Raises:
        StoreURLError: The URL names another host or no directory.
    """
    from lllm.bindings import is_portable_path

    scheme = scheme_of(text)
    if scheme is None:
        return not is_portable_path(text)
    return _is_directory_scheme(scheme) and not is_portable_path(directory_of(text))


def _is_directory_scheme(scheme: str) -> bool:
    """Ask the installed backends; one that recognises its directories by a marker file keeps directories."""
    if scheme in HTTP_SCHEMES:
        return False
    from lllm.plugins import manager

    return any(spec.markers for spec in manager().stores().values() if scheme in spec.schemes)

"""Opening stores by URL or path, through whatever plugin serves the scheme."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from lllm.errors import PluginConflictError, PluginNotFoundError, StoreURLError

if TYPE_CHECKING:
    from lllm.plugins import PluginManager
    from lllm.store.protocol import Store

__all__ = ["DEFAULT_BACKEND", "directory_of", "open_store", "scheme_of"]

DEFAULT_BACKEND = "sqlite"
"""The backend of a directory that no other backend recognises as its own."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def open_store(url_or_path: str | os.PathLike[str], **options: Any) -> Store:
    """Open a store.

    Args:
        url_or_path: `sqlite:rel/dir`, `sqlite:///abs/dir`, `file:...`, `http://host:port`, or a path without
            a scheme: the backend whose marker file is in that directory, SQLite when it is new.
        **options: Passed to the backend: `durability`, `read_only`, `create`, `timeout`, `token`, ...

    Returns:
        The store; close it, or use it as a context manager.

    Raises:
        StoreURLError: The URL or an option is malformed, or no backend serves the scheme; the text says
            what to install.
        PluginImportError: A library of the backend is missing; the text says what to install.
        SSSNError: The store cannot be opened.
    """
    from lllm.plugins import manager

    host = manager()
    text = _text_of(url_or_path)
    scheme = None if isinstance(url_or_path, os.PathLike) else scheme_of(text)
    if scheme is not None:
        _check_url(text)
    name = scheme + ":" if scheme is not None else _backend_of(Path(text).expanduser(), host)
    try:
        factory = host.store(name)
    except PluginNotFoundError as error:
        # The host's text names the known schemes and what to install.
        raise StoreURLError(f"No backend serves the store {text}: {error}") from error
    except PluginConflictError as error:
        raise StoreURLError(str(error)) from error
    return _opened(factory, text, options)


def scheme_of(text: str) -> str | None:
    """Return the lower-case scheme of a store URL, None for a path.

    Args:
        text: A URL or a path.
    """
    found = _SCHEME.match(text)
    return None if found is None else found[1].lower()


def directory_of(url: str) -> str:
    """Return the directory that a URL such as `sqlite:rel/dir` or `file:///abs/dir` names.

    For backends whose stores are directories.

    Args:
        url: The URL, or a path without a scheme, which is returned as it is.

    Raises:
        StoreURLError: The URL names another host or no directory, or carries a query, a fragment or
            credentials.
    """
    if scheme_of(url) is None:
        return url
    _check_url(url)
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise StoreURLError(
            f"Store URL names the host `{parts.netloc}`, but its stores are local directories: write "
            f"`{parts.scheme}:relative/directory` or `{parts.scheme}:///absolute/directory`: {url}"
        )
    path = unquote(parts.path)
    if not path.strip("/") or "\0" in path:
        raise StoreURLError(f"Store URL names no directory: {url}")
    return path


def _text_of(value: object) -> str:
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise StoreURLError("store must be a non-empty URL or path string")
    return text


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StoreURLError(f"Store URL is malformed: {error}") from error
    if "@" in parts.netloc:
        raise StoreURLError("Store URL must not carry credentials; pass `token=...` as an option.")
    if "?" in url or "#" in url:
        raise StoreURLError(
            f"Store URL must not carry a query or a fragment; pass options as keyword arguments: {url}"
        )
    if any(character.isspace() or not character.isprintable() for character in url):
        raise StoreURLError(f"Store URL must not contain white space; write a space as %20: {url!r}")


def _backend_of(directory: Path, host: PluginManager) -> str:
    """Return the name of the backend whose marker is in a directory."""
    if directory.exists() and not directory.is_dir():
        raise StoreURLError(f"A store is a directory, and this is a file: {directory}")
    owners = sorted(
        name
        for name, spec in host.stores().items()
        if any((directory / marker).exists() for marker in spec.markers)
    )
    if len(owners) > 1:
        raise StoreURLError(
            f"The directory {directory} carries the marks of several backends ({', '.join(owners)}); name one "
            f"with a URL such as `{owners[0]}:{directory}`."
        )
    return owners[0] if owners else DEFAULT_BACKEND


def _opened(factory: Any, text: str, options: dict[str, Any]) -> Store:
    try:
        store: Store = factory(text, **options)
    except StoreURLError:
        raise
    except ValueError as error:
        raise StoreURLError(f"{error}: {text}") from error
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            raise StoreURLError(f"Unknown store option: {error}") from error
        raise
    return store

"""Where logs are kept: bytes by key, in files or nowhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from threading import get_ident
from typing import Protocol, runtime_checkable
from urllib.parse import quote, unquote

__all__ = ["LocalFileBackend", "LogBackend", "NoOpBackend"]

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@runtime_checkable
class LogBackend(Protocol):
    """Keeps bytes by key; keys are segments joined by `/`.

    A backend that can store several values at once may have `put_all(items)` too.
    """

    def put(self, key: str, data: bytes) -> None:
        """Store bytes, replacing what was there."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes of a key, or None."""

    def list_keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with a text, sorted."""

    def delete(self, key: str) -> None:
        """Forget a key; one that does not exist is no error."""


class LocalFileBackend:
    """One file for each key, below a folder.

    Args:
        root_dir: The folder; made when it does not exist.
        path: The same under its other name.

    Raises:
        ValueError: No folder is given.
    """

    def __init__(self, root_dir: str | Path | None = None, *, path: str | Path | None = None) -> None:
        chosen = root_dir if root_dir is not None else path
        if chosen is None:
            raise ValueError("LocalFileBackend needs `root_dir`: the folder to keep logs in.")
        self.root_dir = Path(chosen).expanduser()
        self.root_dir.mkdir(parents=True, exist_ok=True)
        self._root = str(self.root_dir)
        self._made: set[str] = set()

    def __repr__(self) -> str:
        return f"LocalFileBackend({str(self.root_dir)!r})"

    def put(self, key: str, data: bytes) -> None:
        """Store bytes, replacing what was there; a reader never sees half a file.

        Args:
            key: The key. It cannot lead out of the folder: what is no plain file name is escaped.
            data: The bytes.

        Raises:
            ValueError: The key is empty.
        """
        file = self._file(key)
        folder, _, name = file.rpartition(os.sep)
        if folder not in self._made:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        # Every session is two small files, and pathlib would double what they cost.
        temporary = f"{folder}{os.sep}.{name}.{os.getpid()}.{get_ident()}.new"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb", 0) as stream:
                stream.write(data)
            os.replace(temporary, file)  # noqa: PTH105
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def get(self, key: str) -> bytes | None:
        """Return the bytes of a key, or None.

        Args:
            key: The key.
        """
        try:
            return Path(self._file(key)).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def list_keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with a text, sorted.

        Args:
            prefix: The text, taken literally.
        """
        # Only the folder that the prefix names has to be walked.
        folders = [_escaped(part) for part in prefix.split("/")[:-1]]
        start = self.root_dir.joinpath(*folders)
        found: list[str] = []
        for folder, names, files in os.walk(start):
            names.sort()
            base = Path(folder).relative_to(self.root_dir).parts
            keys = ("/".join(unquote(part) for part in (*base, name)) for name in files if name[0] != ".")
            found.extend(key for key in keys if key.startswith(prefix))
        return sorted(found)

    def delete(self, key: str) -> None:
        """Forget a key.

        Args:
            key: The key.
        """
        Path(self._file(key)).unlink(missing_ok=True)

    def _file(self, key: str) -> str:
        parts = [_escaped(part) for part in key.split("/")]
        if "" in parts:
            raise ValueError(f"A log key must be segments joined by `/`, got {key!r}.")
        return f"{self._root}{os.sep}{os.sep.join(parts)}"  # noqa: PTH118


def _escaped(part: str) -> str:
    """Return a segment as a file name; `.` and `..`, hidden names and separators do not survive."""
    if _PLAIN.fullmatch(part):
        return part
    name = quote(part, safe=" ()+,-=@_")
    return f"%2E{name[1:]}" if name.startswith(".") else name


class NoOpBackend:
    """Keeps nothing."""

    def __repr__(self) -> str:
        return "NoOpBackend()"

    def put(self, key: str, data: bytes) -> None:
        """Do nothing."""

    def get(self, key: str) -> bytes | None:
        """Return None."""
        return None

    def list_keys(self, prefix: str = "") -> list[str]:
        """Return no keys."""
        return []

    def delete(self, key: str) -> None:
        """Do nothing."""

"""The directory of a store: what is where, and which version of the format it has."""

from __future__ import annotations

import json
from pathlib import Path

from lllm.errors import StoreFormatError
from lllm_store_file.segments import flush_directory, replace_file

__all__ = ["FORMAT", "MARKER", "Layout"]

FORMAT = 1
"""Version of the format that this version reads and writes."""

MARKER = "meta.json"
"""The file that makes a directory a store of this backend."""

_NAME = "lllm-store-file"


class Layout:
    """Paths inside the directory of a store.

    Args:
        root: The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.meta = root / MARKER
        self.lock = root / "lock"
        self.log = root / "log"
        self.state = root / "state"
        self.artifacts = root / "artifacts"

    def create(self) -> None:
        """Make the directories and the marker, so that they survive power loss.

        Raises:
            OSError: They cannot be made.
        """
        for directory in (self.root, self.log, self.state, self.artifacts):
            _make(directory)
        if not self.meta.exists():
            text = json.dumps({"format": _NAME, "version": FORMAT})
            replace_file(self.meta, f"{text}\n".encode(), durable=True)

    def exists(self) -> bool:
        """Tell whether there is a store of a version that can be read.

        Raises:
            StoreFormatError: The store is of another version, or its marker is none of ours.
            OSError: The marker cannot be read.
        """
        try:
            meta = json.loads(self.meta.read_bytes())
        except FileNotFoundError:
            return False
        except ValueError:
            meta = None
        if (
            not isinstance(meta, dict)
            or meta.get("format") != _NAME
            or not isinstance(meta.get("version"), int)
        ):
            raise StoreFormatError(
                f"Unsupported store format: `{self.meta}` is not the `{MARKER}` of a file store."
            )
        if meta["version"] != FORMAT:
            raise StoreFormatError(
                f"Unsupported store format: `{self.meta}` says version {meta['version']}, and this is version "
                f"{FORMAT}; upgrade lllm-store-file."
            )
        return True


def _make(directory: Path) -> None:
    if directory.is_dir():
        return
    if not directory.parent.is_dir():
        _make(directory.parent)
    directory.mkdir(exist_ok=True)
    flush_directory(directory.parent)

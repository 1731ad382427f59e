"""What an installation notes beside an installed package."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lllm_packages.names import is_package_name

__all__ = ["RECEIPT", "Receipt", "read_receipt", "write_receipt"]

RECEIPT = ".lllm-install.json"
"""Name of the file in the folder of an installed package."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a package was installed.

    Attributes:
        alias: The second name that was asked for.
        sha256: The digest of the archive, in hexadecimal.
        origin: The archive.
    """

    alias: str | None = None
    sha256: str | None = None
    origin: str | None = None


def read_receipt(folder: Path) -> Receipt:
    """Return the receipt of a package; an empty one when there is none or it is damaged.

    Args:
        folder: The folder of the package.
    """
    try:
        fields = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        found = {name: fields.get(name) for name in ("alias", "sha256", "origin")}
    except (OSError, ValueError, AttributeError):
        return Receipt()
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    if not is_package_name(texts.get("alias", "")):
        texts.pop("alias", None)
    return Receipt(**texts)


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Write the receipt of a package.

    Args:
        folder: The folder of the package.
        receipt: What to note.
    """
    text = json.dumps(asdict(receipt), indent=2) + "\n"
    (folder / RECEIPT).write_text(text, encoding="utf-8")

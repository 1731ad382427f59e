"""Reading images into base64 text, with the media type that their bytes show."""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from pathlib import Path
from typing import Any

__all__ = ["detect_media_type", "read_image"]

_HEAD = 64
"""How many characters of base64 text are enough to see what it holds."""


def detect_media_type(head: bytes) -> str | None:
    """Return the media type that an image's first bytes show, or None.

    Args:
        head: At least the first 12 bytes.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def read_image(image: Any) -> tuple[str, str]:
    """Return the base64 text and the media type of an image.

    Args:
        image: Path of a file, a PIL image, or base64 text. PNG, JPEG, WebP and GIF are supported.

    Raises:
        ValueError: It is none of these, or its bytes are not a supported image.
        OSError: The file cannot be read.
    """
    if isinstance(image, Path):
        return _encoded(image.read_bytes())
    if isinstance(image, str):
        return _encoded(Path(image).read_bytes()) if _is_file(image) else _checked(image)
    if callable(getattr(image, "save", None)) and hasattr(image, "mode"):
        return _encoded(_saved(image))
    raise ValueError(f"Invalid image type: {type(image).__name__}; give a path, a PIL image or base64 text.")


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False  # longer than any path, or with a NUL in it


def _checked(text: str) -> tuple[str, str]:
    compact = "".join(text.split())
    try:
        data = base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("Invalid base64 encoded image string") from error
    return compact, _media_type(data)


def _encoded(data: bytes) -> tuple[str, str]:
    return base64.b64encode(data).decode("ascii"), _media_type(data)


def _media_type(data: bytes) -> str:
    found = detect_media_type(data[:_HEAD])
    if found is None:
        raise ValueError("The data does not appear to be a supported image (PNG, JPEG, WebP or GIF).")
    return found


def _saved(image: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format=getattr(image, "format", None) or "PNG")
    return buffer.getvalue()

"""Identifiers as the tables keep them: a UUID as its 16 bytes, any other text as it is."""

from __future__ import annotations

__all__ = ["pack_id", "unpack_id"]


def pack_id(text: str) -> bytes | str:
    """Return what the tables keep for an id: 20 bytes less, and one index less deep, for each UUID.

    Args:
        text: Any text; only a lower-case UUID in its usual form is packed, so that `unpack_id` gives it back.
    """
    if len(text) == 36 and text[8:24:5] == "----":
        digits = text.replace("-", "")
        try:
            packed = bytes.fromhex(digits)
        except ValueError:
            return text
        if packed.hex() == digits:
            return packed
    return text


def unpack_id(value: bytes | str) -> str:
    """Return the id that `pack_id` was given.

    Args:
        value: What the tables keep.
    """
    if isinstance(value, str):
        return value
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

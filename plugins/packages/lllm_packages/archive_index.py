"""The table of contents of a zip archive, checked before anything is unpacked.

The archive may come from anybody: its names may want to leave the folder, its sizes may lie, and a few kilobytes may
unfold to gigabytes. What is not plainly harmless is refused with a reason.
"""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "MAX_MEMBERS",
    "MAX_UNPACKED",
    "check_members",
    "check_ratio",
    "check_size_of_index",
    "fault_of_name",
    "is_skipped",
]

MAX_MEMBERS = 10_000
"""How many members an archive may have."""

MAX_UNPACKED = 512 * 1024 * 1024
"""How many bytes it may unpack to."""

_MAX_RATIO = 200
_SMALL = 64 * 1024
_MAX_INDEX = 32 * 1024 * 1024
_MAX_NAME = 1024
_MAX_PART = 255
_FLAG_ENCRYPTED = 0x1
_FLAG_UTF8 = 0x800
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_END_OF_INDEX = b"PK\x05\x06"
_END_OF_LARGE_INDEX = b"PK\x06\x07"
_DRIVE = re.compile(r"[A-Za-z]:")


def check_size_of_index(file: Path) -> None:
    """Refuse an archive whose table of contents is too large, before it is read into memory.

    Args:
        file: The archive.

    Raises:
        ValueError: The table is too large, or the archive uses the format for more than 65,535 members.
    """
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 65_557 - 20))
        tail = stream.read()
    end = tail.rfind(_END_OF_INDEX)
    if end < 0 or len(tail) < end + 22:
        raise ValueError(f"{file} is not a zip archive.")
    members = int.from_bytes(tail[end + 10 : end + 12], "little")
    length = int.from_bytes(tail[end + 12 : end + 16], "little")
    if (
        tail[max(0, end - 20) : end].startswith(_END_OF_LARGE_INDEX)
        or members > MAX_MEMBERS
        or length > _MAX_INDEX
    ):
        raise ValueError(f"{file} has more than {MAX_MEMBERS} members; it is not installed.")


def check_members(file: Path, members: Iterable[zipfile.ZipInfo]) -> None:
    """Refuse an archive with a member that is not a plain file or folder inside it, or that is too large.

    Args:
        file: The archive, for errors and its size.
        members: Its members.

    Raises:
        ValueError: The archive is refused; the text names the member and the reason.
    """
    members = list(members)
    size = file.stat().st_size
    for member in members:
        reason = _fault_of_member(member, size)
        if reason is not None:
            raise ValueError(f"{file} is refused: member {member.filename!r} {reason}.")
    _check_names(file, members)
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"{file} is refused: it has {len(members)} members, and {MAX_MEMBERS} are allowed.")
    if unpacked > MAX_UNPACKED:
        raise ValueError(
            f"{file} is refused: it unpacks to {unpacked} bytes, and {MAX_UNPACKED} are allowed."
        )
    check_ratio(file, unpacked)
    if sum(member.compress_size for member in members) > size:
        raise ValueError(f"{file} is refused: its members overlap.")


def check_ratio(file: Path, unpacked: int) -> None:
    """Refuse an archive that unpacks to far more than its own size.

    Args:
        file: The archive.
        unpacked: How many bytes it unpacks to.

    Raises:
        ValueError: It is more than 200 times its size, and more than 64 KiB.
    """
    if unpacked > max(_SMALL, file.stat().st_size * _MAX_RATIO):
        raise ValueError(f"{file} is refused: it unpacks to more than {_MAX_RATIO} times its size.")


def fault_of_name(name: str) -> str | None:
    """Return why a name cannot be that of a member, or None when it can.

    Args:
        name: The name as it stands in the archive; that of a folder ends in a slash.
    """
    parts = name.removesuffix("/").split("/")
    faults = (
        (name.startswith(("/", "\\")) or _DRIVE.match(name), "has an absolute name"),
        ("\\" in name, "has a backslash in its name"),
        (".." in parts, "leaves the archive with `..`"),
        (not {"", "."}.isdisjoint(parts), "has an empty part in its name"),
        (len(name) > _MAX_NAME, "has a name that is too long"),
        (
            any(len(part.encode("utf-8", "replace")) > _MAX_PART for part in parts),
            "has a name that is too long",
        ),
        (not name.isprintable(), "has a control character in its name"),
    )
    return next((reason for is_fault, reason in faults if is_fault), None)


def _fault_of_member(member: zipfile.ZipInfo, size: int) -> str | None:
    mode = member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    is_utf8 = member.flag_bits & _FLAG_UTF8
    # `filename` is cut at a NUL; what the archive says is `orig_filename`.
    faults = (
        (not member.orig_filename.isascii() and not is_utf8, "has a name that is not UTF-8"),
        (not 0 <= member.header_offset <= size - member.compress_size, "lies outside the file"),
        (kind == stat.S_IFLNK, "is a link"),
        (kind not in {0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}, "is a device or another special file"),
        (mode & (stat.S_ISUID | stat.S_ISGID), "has a set-id bit"),
        (member.filename.endswith("/") and member.file_size, "is a folder with content"),
        (member.flag_bits & _FLAG_ENCRYPTED, "is encrypted"),
        (member.compress_type not in _METHODS, "is compressed by a method other than deflate"),
    )
    own = next((reason for is_fault, reason in faults if is_fault), None)
    return fault_of_name(member.orig_filename) or own


def _check_names(file: Path, members: Iterable[zipfile.ZipInfo]) -> None:
    """Refuse names that stand for the same file on some system, and files that are also folders."""
    seen: dict[str, str] = {}
    files: set[str] = set()
    folders: set[str] = set()
    for member in members:
        path = member.filename.removesuffix("/")
        plain = unicodedata.normalize("NFC", path).casefold()
        first = seen.setdefault(plain, path)
        if first != path or plain in files:
            raise ValueError(f"{file} is refused: members {first!r} and {path!r} have one name.")
        if not member.is_dir():
            files.add(plain)
        parents = plain.split("/")[:-1]
        folders.update("/".join(parents[: depth + 1]) for depth in range(len(parents)))
    if both := sorted(files & folders):
        raise ValueError(f"{file} is refused: {both[0]!r} is a file and a folder.")


def is_skipped(path: str) -> bool:
    """Tell whether a member is left out because a part of its path is hidden or a bytecode folder.

    Args:
        path: The path with forward slashes.
    """
    return any(
        part.startswith(".") or part in {"__pycache__", "__MACOSX"} for part in path.split("/") if part
    )

"""A disk that remembers what was flushed and what was only written."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lllm.testing.crash.traces import Call

__all__ = ["Disk"]

_SECTOR = 512


@dataclass(slots=True, eq=False)
class _File:
    """The content of a file as programs see it, and as it is on the disk."""

    now: bytearray = field(default_factory=bytearray)
    flushed: bytes = b""


@dataclass(slots=True, eq=False)
class _Open:
    """An open file or directory."""

    path: str
    file: _File | None
    offset: int = 0
    append: bool = False


class Disk:
    """Replays system calls below one directory.

    The rule is the strict one: a byte is on the disk once its file was flushed, and a name once its
    directory was. Files that are only mapped into memory cannot be followed.

    Args:
        root: The directory; it exists, is empty, and is on the disk.
        journal: A file beside it, whose writes mark acknowledgements.
    """

    def __init__(self, root: Path, journal: Path) -> None:
        self.root = str(root)
        self._journal = str(journal)
        self._files: dict[str, _File] = {}
        self._directories: set[str] = {self.root}
        self._flushed_files: dict[str, _File] = {}
        self._flushed_directories: set[str] = {self.root}
        self._open: dict[int, _Open] = {}
        self._marks: set[int] = set()

    def apply(self, call: Call) -> bool:
        """Replay a call.

        Args:
            call: The call.

        Returns:
            Whether it wrote an acknowledgement.
        """
        if call.name == "write" and _number(call.plain[0]) in self._marks:
            return True
        handler = _HANDLERS.get(call.name)
        if handler is not None:
            handler(self, call)
        return False

    def restore(self, target: Path, noise: random.Random | None = None) -> None:
        """Build the directory as it is found after a power cut.

        Args:
            target: A new directory.
            noise: Decides which sectors that were written but not flushed have reached the disk; none when
                None.
        """
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for directory in sorted(self._flushed_directories):
            if self._reachable(directory):
                (target / PurePosixPath(directory).relative_to(self.root)).mkdir(exist_ok=True)
        for path, file in self._flushed_files.items():
            if self._reachable(str(PurePosixPath(path).parent)):
                content = file.flushed if noise is None else _torn(file, noise)
                (target / PurePosixPath(path).relative_to(self.root)).write_bytes(content)

    def _reachable(self, directory: str) -> bool:
        while directory != self.root:
            if directory not in self._flushed_directories:
                return False
            directory = str(PurePosixPath(directory).parent)
        return True

    def _inside(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root + "/")

    def _opened(self, call: Call) -> None:
        path = str(PurePosixPath(call.texts[0].decode(errors="surrogateescape")))
        flags = " ".join(call.plain)
        if path == self._journal:
            self._marks.add(call.result)
            return
        if not self._inside(path):
            return
        if path in self._directories:
            self._open[call.result] = _Open(path, None)
            return
        file = self._files.setdefault(path, _File())
        if "O_TRUNC" in flags or call.name == "creat":
            file.now.clear()
        self._open[call.result] = _Open(path, file, append="O_APPEND" in flags)

    def _closed(self, call: Call) -> None:
        self._open.pop(_number(call.plain[0]), None)
        self._marks.discard(_number(call.plain[0]))

    def _copied(self, call: Call) -> None:
        source = self._open.get(_number(call.plain[0]))
        if source is not None and (call.name != "fcntl" or "F_DUPFD" in call.plain[1]):
            self._open[call.result] = source

    def _moved(self, call: Call) -> None:
        opened = self._open.get(_number(call.plain[0]))
        if opened is not None:
            opened.offset = call.result if call.name == "lseek" else opened.offset + call.result

    def _written(self, call: Call) -> None:
        opened = self._open.get(_number(call.plain[0]))
        if opened is None or opened.file is None:
            return
        data = b"".join(call.texts)[: call.result]
        if call.name.startswith("p"):
            place = _number(call.plain[3] if call.name == "pwrite64" else call.plain[-1])
        else:
            place = len(opened.file.now) if opened.append else opened.offset
            opened.offset = place + len(data)
        content = opened.file.now
        content.extend(bytes(max(0, place - len(content))))
        content[place : place + len(data)] = data

    def _resized(self, call: Call) -> None:
        if call.name == "truncate":
            file = self._files.get(str(PurePosixPath(call.texts[0].decode(errors="surrogateescape"))))
        else:
            opened = self._open.get(_number(call.plain[0]))
            file = None if opened is None else opened.file
        if file is None:
            return
        if call.name == "fallocate":
            size = max(len(file.now), _number(call.plain[2]) + _number(call.plain[3]))
        else:
            size = _number(call.plain[1])
        del file.now[size:]
        file.now.extend(bytes(size - len(file.now)))

    def _flushed(self, call: Call) -> None:
        opened = self._open.get(_number(call.plain[0]))
        if opened is None:
            return
        if opened.file is not None:
            opened.file.flushed = bytes(opened.file.now)
            return
        for path in [path for path in self._flushed_files if _parent(path) == opened.path]:
            del self._flushed_files[path]
        self._flushed_files.update(
            (path, file) for path, file in self._files.items() if _parent(path) == opened.path
        )
        gone = {path for path in self._flushed_directories if _parent(path) == opened.path}
        self._flushed_directories -= gone - self._directories
        self._flushed_directories |= {path for path in self._directories if _parent(path) == opened.path}

    def _flushed_all(self, call: Call) -> None:
        for file in self._files.values():
            file.flushed = bytes(file.now)
        self._flushed_files = dict(self._files)
        self._flushed_directories = set(self._directories)

    def _renamed(self, call: Call) -> None:
        source, target = (
            str(PurePosixPath(text.decode(errors="surrogateescape"))) for text in call.texts[:2]
        )
        if source in self._files:
            self._files[target] = self._files.pop(source)
        elif source in self._directories:
            self._directories = {_renamed_path(path, source, target) for path in self._directories}
            self._files = {_renamed_path(path, source, target): file for path, file in self._files.items()}

    def _linked(self, call: Call) -> None:
        source, target = (
            str(PurePosixPath(text.decode(errors="surrogateescape"))) for text in call.texts[:2]
        )
        if source in self._files:
            self._files[target] = self._files[source]

    def _unlinked(self, call: Call) -> None:
        path = str(PurePosixPath(call.texts[0].decode(errors="surrogateescape")))
        self._files.pop(path, None)
        self._directories.discard(path)

    def _made(self, call: Call) -> None:
        path = str(PurePosixPath(call.texts[0].decode(errors="surrogateescape")))
        if self._inside(path):
            self._directories.add(path)


def _number(text: str) -> int:
    digits = text.split("<", maxsplit=1)[0].strip()
    try:
        return int(digits, 0)
    except ValueError:
        return -1


def _parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _renamed_path(path: str, source: str, target: str) -> str:
    return target + path[len(source) :] if path == source or path.startswith(source + "/") else path


def _torn(file: _File, noise: random.Random) -> bytes:
    """Return a content in which some of the sectors that were not flushed have reached the disk."""
    size = noise.choice([len(file.flushed), len(file.now), noise.randint(0, max(len(file.now), 1))])
    size = max(size, min(len(file.flushed), len(file.now)))
    content = bytearray(file.flushed[:size].ljust(size, b"\0"))
    for place in range(0, size, _SECTOR):
        if noise.random() < 0.5:
            piece = bytes(file.now[place : min(place + _SECTOR, size)])
            content[place : place + len(piece)] = piece
    return bytes(content)


_HANDLERS: dict[str, Callable[[Disk, Call], None]] = {
    **dict.fromkeys(("open", "openat", "creat"), Disk._opened),
    **dict.fromkeys(("dup", "dup2", "dup3", "fcntl"), Disk._copied),
    **dict.fromkeys(("lseek", "read"), Disk._moved),
    **dict.fromkeys(("write", "pwrite64", "writev", "pwritev", "pwritev2"), Disk._written),
    **dict.fromkeys(("ftruncate", "truncate", "fallocate"), Disk._resized),
    **dict.fromkeys(("fsync", "fdatasync"), Disk._flushed),
    **dict.fromkeys(("sync", "syncfs"), Disk._flushed_all),
    **dict.fromkeys(("rename", "renameat", "renameat2"), Disk._renamed),
    **dict.fromkeys(("link", "linkat"), Disk._linked),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), Disk._unlinked),
    **dict.fromkeys(("mkdir", "mkdirat"), Disk._made),
    "close": Disk._closed,
}

"""Reading what strace wrote: system calls that change files, in the order in which they returned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["CHANGES", "SYSCALLS", "Call", "parse_trace"]

SYSCALLS: Final = (
    "open,openat,creat,close,dup,dup2,dup3,fcntl,lseek,read,write,pwrite64,writev,pwritev,pwritev2,ftruncate,"
    "truncate,fallocate,fsync,fdatasync,sync,syncfs,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,"
    "link,linkat,symlink,symlinkat,copy_file_range,sendfile"
)
"""What has to be traced."""

CHANGES: Final = frozenset(
    "write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,rename,renameat2,unlink".split(",")
)
"""Calls at which a power cut is interesting."""

_LINE = re.compile(r"^(\d+)\s+(.*)$")
_BEGUN = re.compile(r"^(\w+)\((.*?)\s*<unfinished \.\.\.>$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_WHOLE = re.compile(r"^(\w+)\((.*)\)\s+=\s+(-?\d+)(?:\s|$)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that succeeded.

    Args:
        name: Its name.
        plain: Its arguments as strace prints them, with every string replaced by `""`.
        texts: The strings among its arguments.
        result: What it returned.
    """

    name: str
    plain: tuple[str, ...]
    texts: tuple[bytes, ...]
    result: int


def parse_trace(lines: Iterable[str]) -> Iterator[Call]:
    """Yield the calls of a trace written with `strace -f -xx`.

    Args:
        lines: The lines of the trace.
    """
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            continue
        process, text = found.groups()
        if start := _BEGUN.match(text):
            begun[process] = f"{start[1]}({start[2]}"
            continue
        if rest := _RESUMED.match(text):
            text = begun.pop(process, "") + rest[2]
        if whole := _WHOLE.match(text):
            call = _call(whole[1], whole[2], int(whole[3]))
            if call.result >= 0:
                yield call


def _call(name: str, arguments: str, result: int) -> Call:
    texts = tuple(bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(arguments))
    plain = tuple(part.strip() for part in _TEXT.sub('""', arguments).split(","))
    return Call(name, plain, texts, result)

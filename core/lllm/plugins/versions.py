"""Version comparison as PEP 440 has it, as far as a requirement on the host needs it.

`packaging` knows all of this; it is not among the five dependencies of the core, and importing it takes longer
than comparing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["InvalidVersionError", "Version", "satisfies"]

_VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?P<pre_n>\d*))?"
    r"(?P<post>-(?P<post_n1>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_n2>\d*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_n>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.ASCII,
)
_CLAUSE = re.compile(r"(===|~=|==|!=|<=|>=|<|>)\s*(\S+)")
_PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}

_Key: TypeAlias = tuple[Any, ...]


class InvalidVersionError(ValueError):
    """A text is not a version or a version specifier of PEP 440."""


class Version:
    """One version, comparable by `key`.

    Args:
        text: The version as written.

    Raises:
        InvalidVersionError: The text is not a version.
    """

    __slots__ = ("dev", "epoch", "local", "post", "pre", "release")

    def __init__(self, text: str) -> None:
        match = _VERSION.fullmatch(text.strip().lower())
        if match is None:
            raise InvalidVersionError(f"`{text}` is not a version.")
        self.epoch = int(match["epoch"] or 0)
        self.release = tuple(int(part) for part in match["release"].split("."))
        pre = match["pre"]
        self.pre = (_PRE.get(pre, pre), int(match["pre_n"] or 0)) if pre else None
        self.post = int(match["post_n1"] or match["post_n2"] or 0) if match["post"] else None
        self.dev = int(match["dev_n"] or 0) if match["dev"] else None
        self.local = match["local"]

    @property
    def is_prerelease(self) -> bool:
        """Whether it is an alpha, beta, release candidate or development version."""
        return self.pre is not None or self.dev is not None

    @property
    def base(self) -> _Key:
        """Epoch and release without trailing zeros."""
        release = list(self.release)
        while release and release[-1] == 0:
            release.pop()
        return (self.epoch, tuple(release))

    @property
    def key(self) -> _Key:
        """What public versions are ordered by; the local part is left out."""
        # A development version precedes its alphas, and an absent part sorts after every present one.
        if self.pre is not None:
            stage: _Key = (1, *self.pre)
        else:
            stage = (0,) if self.dev is not None and self.post is None else (2,)
        dev = (1, 0) if self.dev is None else (0, self.dev)
        return (*self.base, stage, -1 if self.post is None else self.post, dev)


def satisfies(version: str, specifiers: str) -> bool:
    """Tell whether a version matches every clause of a specifier set such as `>=0.1,<0.3`.

    A pre-release matches when it lies inside the range, because somebody installed it on purpose.

    Args:
        version: The version in question.
        specifiers: Clauses separated by commas; an empty text matches everything.

    Raises:
        InvalidVersionError: A version or a clause is malformed.
    """
    candidate = Version(version)
    clauses = [clause.strip() for clause in specifiers.split(",")]
    return all(_match(candidate, version.strip(), clause) for clause in clauses if clause)


def _match(candidate: Version, text: str, clause: str) -> bool:
    parsed = _CLAUSE.fullmatch(clause)
    if parsed is None:
        raise InvalidVersionError(f"`{clause}` is not a version specifier.")
    operator, wanted = parsed.groups()
    if operator == "===":
        return text.lower() == wanted.lower()
    if operator in {"==", "!="}:
        equal = _starts_with(candidate, wanted[:-2]) if wanted.endswith(".*") else _equal(candidate, wanted)
        return equal is (operator == "==")
    return _ORDERED[operator](candidate, Version(wanted))


def _equal(candidate: Version, wanted: str) -> bool:
    version = Version(wanted)
    if version.local is not None and _local_key(version) != _local_key(candidate):
        return False
    return candidate.key == version.key


def _local_key(version: Version) -> list[str]:
    return [
        part.lstrip("0") or "0" if part.isdigit() else part for part in re.split("[-_.]", version.local or "")
    ]


def _starts_with(candidate: Version, prefix: str) -> bool:
    wanted = Version(prefix)
    if wanted.pre or wanted.post is not None or wanted.dev is not None or wanted.local:
        raise InvalidVersionError(f"`{prefix}.*` is not a version specifier.")
    length = len(wanted.release)
    release = candidate.release[:length] + (0,) * (length - len(candidate.release))
    return candidate.epoch == wanted.epoch and release == wanted.release


def _compatible(candidate: Version, wanted: Version) -> bool:
    if len(wanted.release) < 2:
        raise InvalidVersionError("`~=` needs a version of two parts or more, such as `~=0.1`.")
    prefix = ".".join(map(str, wanted.release[:-1]))
    return candidate.key >= wanted.key and _starts_with(candidate, f"{wanted.epoch}!{prefix}")


def _less(candidate: Version, wanted: Version) -> bool:
    if candidate.key >= wanted.key:
        return False
    # `<0.3` is meant to exclude `0.3rc1` too.
    return wanted.is_prerelease or not candidate.is_prerelease or candidate.base != wanted.base


def _greater(candidate: Version, wanted: Version) -> bool:
    if candidate.key <= wanted.key:
        return False
    # `>0.3` is meant to exclude `0.3.post1` too.
    return wanted.post is not None or candidate.post is None or candidate.base != wanted.base


_ORDERED: dict[str, Callable[[Version, Version], bool]] = {
    "~=": _compatible,
    "<=": lambda candidate, wanted: candidate.key <= wanted.key,
    ">=": lambda candidate, wanted: candidate.key >= wanted.key,
    "<": _less,
    ">": _greater,
}

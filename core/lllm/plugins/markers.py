"""Environment markers of requirements, such as `python_version >= "3.11" and sys_platform == "linux"`."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterator

from lllm.plugins.versions import InvalidVersionError, Version, satisfies

__all__ = ["holds"]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*'|\"[^\"]*\")|(?P<operator>===|~=|==|!=|<=|>=|<|>|\(|\))|(?P<word>[A-Za-z_.]+))"
)


def holds(marker: str) -> bool:
    """Tell whether an environment marker holds here, with no extra asked for.

    Args:
        marker: What stands behind the `;` of a requirement.

    Raises:
        InvalidVersionError: The marker is malformed.
    """
    return _Marker(marker).holds()


class _Marker:
    """An environment marker, by recursive descent: `or` over `and` over comparisons."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokenise(text))

    def holds(self) -> bool:
        value = self._any()
        if self._tokens:
            raise self._malformed()
        return value

    def _any(self) -> bool:
        value = self._all()
        while self._accept("or"):
            value = self._all() or value
        return value

    def _all(self) -> bool:
        value = self._single()
        while self._accept("and"):
            value = self._single() and value
        return value

    def _single(self) -> bool:
        if self._accept("("):
            value = self._any()
            if not self._accept(")"):
                raise self._malformed()
            return value
        left = self._value()
        operator = self._next()
        if operator == "not" and self._accept("in"):
            operator = "not in"
        return _compare(left, operator, self._value())

    def _accept(self, token: str) -> bool:
        if self._tokens[:1] == [token]:
            del self._tokens[0]
            return True
        return False

    def _next(self) -> str:
        if not self._tokens:
            raise self._malformed()
        return self._tokens.pop(0)

    def _value(self) -> str:
        token = self._next()
        if token[0] in "'\"":
            return token[1:-1]
        variable = _VARIABLES.get(token)
        if variable is None:
            raise self._malformed()
        return variable()

    def _malformed(self) -> InvalidVersionError:
        return InvalidVersionError(f"`{self._text.strip()}` is not an environment marker.")


def _tokenise(text: str) -> Iterator[str]:
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidVersionError(f"`{text.strip()}` is not an environment marker.")
        position = match.end()
        yield match[0].strip()


def _compare(left: str, operator: str, right: str) -> bool:
    if operator == "in":
        return left in right
    if operator == "not in":
        return left not in right
    if operator not in _TEXT_OPERATORS and operator not in {"~=", "==="}:
        raise InvalidVersionError(f"`{operator}` is not an operator of environment markers.")
    try:
        Version(left)
        return satisfies(left, f"{operator}{right}")
    except InvalidVersionError:
        return _TEXT_OPERATORS.get(operator, str.__eq__)(left, right)


_TEXT_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "==": str.__eq__,
    "!=": str.__ne__,
    "<": str.__lt__,
    "<=": str.__le__,
    ">": str.__gt__,
    ">=": str.__ge__,
}

_VARIABLES: dict[str, Callable[[], str]] = {
    "extra": lambda: "",
    "implementation_name": lambda: sys.implementation.name,
    "implementation_version": platform.python_version,
    "os_name": lambda: os.name,
    "platform_machine": platform.machine,
    "platform_python_implementation": platform.python_implementation,
    "platform_release": platform.release,
    "platform_system": platform.system,
    "platform_version": platform.version,
    "python_full_version": platform.python_version,
    "python_version": lambda: f"{sys.version_info[0]}.{sys.version_info[1]}",
    "sys_platform": lambda: sys.platform,
}

"""Reading data files: YAML, TOML, JSON, Markdown with front matter, and plain bytes."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["CONFIG_SUFFIXES", "read_asset", "read_config", "read_markdown", "split_front_matter"]

_MOST_VALUES = 1_000_000
_MOST_BRACKETS = 5_000
_MOST_DASHES = 200
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<fields>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def _parse_yaml(text: str) -> Any:
    # PyYAML costs tens of milliseconds to import, and many programs never read a YAML file.
    import yaml  # type: ignore[import-untyped]

    # The parser in C is ten times as fast, and overflows its stack where the other raises RecursionError.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if _is_shallow(text) else yaml.SafeLoader
    try:
        value = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    if "*" in text:
        _check_size(value)
    return value


def _is_shallow(text: str) -> bool:
    """Tell whether a text has too few of the signs that open a level to nest deeply."""
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        return False
    return all(line.count("-") + line.count("?") < _MOST_DASHES for line in text.splitlines())


def _check_size(value: Any) -> None:
    """Refuse a document whose aliases contain themselves or unfold to something huge."""
    sizes: dict[int, int] = {}
    if _unfolded(value, sizes) > _MOST_VALUES:
        raise ValueError(f"its aliases unfold to more than {_MOST_VALUES} values")


def _unfolded(value: Any, sizes: dict[int, int]) -> int:
    if not isinstance(value, (dict, list)):
        return 1
    known = sizes.get(id(value))
    if known == 0:
        raise ValueError("an alias contains itself")
    if known is None:
        sizes[id(value)] = 0
        items = value.values() if isinstance(value, dict) else value
        known = sizes[id(value)] = 1 + sum(_unfolded(item, sizes) for item in items)
    return known


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
    ".toml": tomllib.loads,
    ".json": json.loads,
}

CONFIG_SUFFIXES = tuple(_PARSERS)
"""The endings of config files, the preferred one first."""


def read_config(file: Path) -> Any:
    """Read a YAML, TOML or JSON file, whichever its ending says.

    Args:
        file: The file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not UTF-8, or not what its ending says; the text names the file.
    """
    return _parse(file, file.read_bytes())


def read_asset(file: Path) -> Any:
    """Read any file: YAML, TOML and JSON are parsed, everything else is returned as bytes.

    Args:
        file: The file.

    Raises:
        OSError: It cannot be read.
        ValueError: Its ending promises a format that it does not keep; the text names the file.
    """
    data = file.read_bytes()
    return _parse(file, data) if file.suffix.lower() in _PARSERS else data


def _parse(file: Path, data: bytes) -> Any:
    kind = file.suffix.lower()
    try:
        return _PARSERS[kind](data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not valid {kind[1:].upper()}: {error}") from error


def split_front_matter(text: str) -> tuple[str, str]:
    """Split a Markdown text into its front matter, without the dashes, and its body.

    Args:
        text: The text; without a leading `---` line the front matter is empty.
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        return "", text
    return match["fields"], text[match.end() :]


def read_markdown(file: Path) -> tuple[dict[str, Any], str]:
    """Read a Markdown file as the fields of its front matter and its body, without blank lines around it.

    Args:
        file: The file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not UTF-8, or its front matter is not a YAML mapping; the text names the file.
    """
    try:
        front, body = split_front_matter(file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
        fields = _parse_yaml(front) if front.strip() else {}
    except ValueError as error:
        raise ValueError(f"{file} is not valid Markdown with front matter: {error}") from error
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise ValueError(f"The front matter of {file} must be a mapping of names to values.")
    return fields, body.strip("\n")

"""Reading the front matter of a `SKILL.md`: the small part of YAML that such files use."""

from __future__ import annotations

import re

__all__ = ["split_front_matter"]

_KEY = re.compile(r"([A-Za-z0-9_-]+):(?:[ \t]+(.*))?$")
_QUOTED = re.compile(r"(['\"])(.*?)\1(?:\s+#.*)?$")
_BLOCK = re.compile(r"([|>])[+-]?$")


def split_front_matter(text: str) -> tuple[dict[str, str | list[str]], str]:
    """Return the fields between the leading `---` lines, and the text after them.

    Understood are texts, quoted texts, lists in both notations, and block texts (`|` and `>`). A text without
    front matter has no fields.

    Args:
        text: The file's text.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return {}, text
    end = next((index for index, line in enumerate(lines[1:], 1) if line.strip() in {"---", "..."}), None)
    if end is None:
        return {}, text
    return _fields(lines[1:end]), "\n".join(lines[end + 1 :])


def _fields(lines: list[str]) -> dict[str, str | list[str]]:
    fields: dict[str, str | list[str]] = {}
    index = 0
    while index < len(lines):
        found = _KEY.match(lines[index])
        index += 1
        if found is None:
            continue
        start = index
        while index < len(lines) and (not lines[index].strip() or lines[index][0] in " \t-"):
            index += 1
        fields[found.group(1)] = _value((found.group(2) or "").strip(), lines[start:index])
    return fields


def _value(first: str, following: list[str]) -> str | list[str]:
    if block := _BLOCK.match(first):
        lines = [line.strip() for line in following]
        return ("\n" if block.group(1) == "|" else " ").join(lines).strip()
    if not first and any(line.lstrip().startswith("- ") for line in following):
        return [_scalar(line.lstrip()[2:]) for line in following if line.lstrip().startswith("- ")]
    if first.startswith("[") and first.endswith("]"):
        return [_scalar(item) for item in first[1:-1].split(",") if item.strip()]
    return _scalar(" ".join([first, *(line.strip() for line in following if line.strip())]))


def _scalar(text: str) -> str:
    stripped = text.strip()
    if quoted := _QUOTED.match(stripped):
        return quoted.group(2)
    return re.split(r"\s#", stripped, maxsplit=1)[0].rstrip()

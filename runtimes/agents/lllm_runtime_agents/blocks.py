"""Finding tagged and fenced blocks in a model's reply, in time linear in its length."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lllm.names import check_token

__all__ = ["check_tag", "find_md_blocks", "find_xml_blocks"]

_FENCE = re.compile(r"`{3,}")
# What may follow the tag on its line and is not yet content: `title="a.py" numbered`, but not `{"a": 1}`.
_INFO = re.compile(r"[\w.,:=/\"'\- \t\r]*")


def check_tag(tag: object) -> str:
    """Return a tag when it can name a block.

    Args:
        tag: Anything.

    Raises:
        TypeError: It is not a string.
        ValueError: It is not a token, or holds `<`, `>` or a backtick.
    """
    text = check_token(tag, "tag")
    if not {"<", ">", "`"}.isdisjoint(text):
        raise ValueError("tag must not contain tag delimiters.")
    return text


def _check_text(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("text must be a string.")
    return text


def find_xml_blocks(
    text: str, tag: str, *, attributes: bool = False, ignore_case: bool = False, nested: bool = False
) -> list[str]:
    """Return the contents of every `<tag>...</tag>`, unstripped, in the order in which the blocks begin.

    A block reaches from an opening tag to the next closing one, across lines.

    Args:
        text: The text to search.
        tag: Name of the tag.
        attributes: Whether opening tags may carry attributes: `<tag key="value">`.
        ignore_case: Whether upper and lower case count as equal.
        nested: Whether blocks inside of blocks of the same tag are matched pair by pair and returned too.

    Raises:
        TypeError: `text` or `tag` is not a string.
        ValueError: `tag` is not a token, or holds tag delimiters.
    """
    _check_text(text)
    name = re.escape(check_tag(tag))
    flags = re.IGNORECASE if ignore_case else 0
    opening = re.compile(rf"<{name}(?:\s[^<>]*)?>" if attributes else f"<{name}>", flags)
    closing = re.compile(f"</{name}>", flags)
    spans = _nested_spans(opening, closing, text) if nested else _flat_spans(opening, closing, text)
    return [text[start:end] for start, end in spans]


def _flat_spans(opening: re.Pattern[str], closing: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    position = 0
    # A tag that never closes ends the search, which keeps the time linear.
    while (start := opening.search(text, position)) and (end := closing.search(text, start.end())):
        yield start.end(), end.start()
        position = end.end()


def _nested_spans(opening: re.Pattern[str], closing: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    marks = [(mark.start(), mark.end(), True) for mark in opening.finditer(text)]
    marks += [(mark.start(), mark.end(), False) for mark in closing.finditer(text)]
    starts: list[int] = []
    spans: list[tuple[int, int]] = []
    for start, end, opens in sorted(marks):
        if opens:
            starts.append(end)
        elif starts:
            spans.append((starts.pop(), start))
    return sorted(spans)


def find_md_blocks(text: str, tag: str) -> list[str]:
    """Return the stripped contents of every Markdown fence whose info string begins with the word `tag`.

    A fence is three or more backticks; it ends at the next run of at least as many. `py` does not match
    a fence of `python`. Words and `key=value` pairs after the tag belong to the info string.

    Args:
        text: The text to search.
        tag: First word of the info string.

    Raises:
        TypeError: `text` or `tag` is not a string.
        ValueError: `tag` is not a token, or holds tag delimiters.
    """
    _check_text(text)
    opening = re.compile(rf"{re.escape(check_tag(tag))}(?=\s)")
    fences = [fence.span() for fence in _FENCE.finditer(text)]
    longest_after = _longest_after(fences)
    blocks = []
    index = 0
    while index < len(fences):
        start, inner = fences[index]
        word = opening.match(text, inner)
        length = inner - start
        index += 1
        # Without the look ahead, many fences that never close would each be searched to the end.
        if word is None or longest_after[index] < length:
            continue
        while fences[index][1] - fences[index][0] < length:
            index += 1
        blocks.append(_content(text, word.end(), fences[index][0]))
        index += 1
    return blocks


def _longest_after(fences: list[tuple[int, int]]) -> list[int]:
    """Return, for each index, the length of the longest fence from there on."""
    longest = [0]
    for start, end in reversed(fences):
        longest.append(max(longest[-1], end - start))
    return longest[::-1]


def _content(text: str, start: int, end: int) -> str:
    line_end = text.find("\n", start, end)
    if line_end >= 0 and _INFO.fullmatch(text, start, line_end):
        start = line_end
    return text[start:end].strip()

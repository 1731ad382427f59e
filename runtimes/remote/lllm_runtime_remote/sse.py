"""Reading server-sent events, as far as tactic services use them.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. Lines end in CR, LF or CRLF and
in nothing else; `str.splitlines` would also cut at U+2028 inside JSON texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from lllm import TacticEvent

__all__ = ["DONE", "Frame", "FrameReader", "event_of"]

_LINE_END = re.compile(rb"\r\n|\n|\r")
_USAGE = "x-lllm-usage "

DONE = "[DONE]"
"""Data with which some services end their streams."""


@dataclass(slots=True)
class Frame:
    """One frame of a stream.

    Attributes:
        data: The joined `data:` lines, or None.
        event: The `event:` field.
        id: The `id:` field.
        usage: What a usage comment said, or None.
        undecodable: Whether a line was not UTF-8.
    """

    data: str | None = None
    event: str | None = None
    id: str | None = None
    usage: Any = None
    undecodable: bool = False


@dataclass(slots=True)
class FrameReader:
    """Turns chunks of bytes into frames, whatever the chunks cut through."""

    _rest: list[bytes] = field(default_factory=list)
    _frame: Frame = field(default_factory=Frame)
    _lines: list[str] = field(default_factory=list)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames that a chunk completes.

        Args:
            chunk: Bytes as they arrive.
        """
        if b"\n" not in chunk and b"\r" not in chunk and not self._after_cr():
            self._rest.append(
                chunk
            )  # joined once the line ends, or a long one would be copied for every chunk
            return
        buffer = b"".join([*self._rest, chunk])
        start = 0
        for match in _LINE_END.finditer(buffer):
            if match.group() == b"\r" and match.end() == len(buffer):
                break  # the LF of a CRLF may be in the next chunk
            yield from self._line(buffer[start : match.start()])
            start = match.end()
        self._rest = [buffer[start:]]

    def _after_cr(self) -> bool:
        return bool(self._rest) and self._rest[-1].endswith(b"\r")

    def end(self) -> Iterator[Frame]:
        """Yield an unterminated last frame."""
        rest, self._rest = b"".join(self._rest), []
        if rest:
            yield from self._line(rest.removesuffix(b"\r"))
        yield from self._close()

    def _line(self, line: bytes) -> Iterator[Frame]:
        if not line:
            yield from self._close()
            return
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            yield Frame(undecodable=True)
            return
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._lines.append(value)
        elif name == "event":
            self._frame.event = value
        elif name == "id":
            self._frame.id = value
        elif name == "" and value.startswith(_USAGE):
            yield Frame(usage=_parsed(value.removeprefix(_USAGE)))

    def _close(self) -> Iterator[Frame]:
        frame, self._frame = self._frame, Frame()
        lines, self._lines = self._lines, []
        if lines:
            frame.data = "\n".join(lines)
        if lines or frame.event is not None or frame.id is not None:
            yield frame


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def event_of(frame: Frame, *, allow_nan: bool = False) -> TacticEvent | None:
    """Return the event that a frame carries, or None when it carries none; malformed frames become error events.

    Args:
        frame: A frame of a stream.
        allow_nan: Read NaN and infinities as numbers; otherwise data that holds them is no JSON, but text.
    """
    if frame.undecodable:
        return TacticEvent.error(
            "Invalid SSE stream line.", line_type="bytes", errors="the line is not valid UTF-8"
        )
    if frame.data is None:
        return None
    try:
        value = json.loads(frame.data, parse_constant=None if allow_nan else _refuse_constant)
    except (ValueError, RecursionError):
        return TacticEvent(data=frame.data)
    if not (isinstance(value, dict) and "kind" in value and "data" in value):
        return TacticEvent(data=value)
    return _envelope(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _envelope(value: dict[str, Any]) -> TacticEvent:
    known = {name: value[name] for name in TacticEvent.model_fields if name in value}
    extra = {name: item for name, item in value.items() if name not in TacticEvent.model_fields}
    if extra and isinstance(known.get("metadata", {}), dict):
        known["metadata"] = {**extra, **known.get("metadata", {})}
    try:
        return TacticEvent.model_validate(known)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        return TacticEvent.error("Invalid SSE event envelope.", payload=value, errors=errors)

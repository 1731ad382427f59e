"""Reading server-sent events, as far as tactic services use them.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. Lines end in CR, LF or CRLF and
in nothing else; `str.splitlines` would also cut at U+2028 inside JSON texts.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from lllm import TacticEvent, TacticServiceError

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
    """Turns chunks of bytes into frames, whatever the chunks cut through.

    Attributes:
        limit: Most bytes of one frame.
    """

    limit: int = 256 * 1024 * 1024
    _size: int = 0
    _rest: list[bytes] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    _event: str | None = None
    _id: str | None = None

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that a chunk completes.

        Args:
            chunk: Bytes as they arrive.

        Raises:
            TacticServiceError: A frame is larger than the limit.
        """
        self._size += len(chunk)
        frames: list[Frame] = []
        if b"\n" in chunk or b"\r" in chunk or (self._rest and self._rest[-1].endswith(b"\r")):
            self._read(b"".join([*self._rest, chunk]), frames)
        else:
            self._rest.append(
                chunk
            )  # joined once the line ends, or a long one would be copied for every chunk
        if self._size > self.limit:
            raise TacticServiceError(f"The service sent a frame of more than {self.limit} bytes.")
        return frames

    def _read(self, buffer: bytes, frames: list[Frame]) -> None:
        if b"\r" not in buffer:
            lines, held = buffer.split(b"\n"), b""
        else:
            # The LF of a CRLF may be in the next chunk.
            held = b"\r" if buffer.endswith(b"\r") else b""
            lines = _LINE_END.split(buffer.removesuffix(held))
        rest = lines.pop()
        for line in lines:
            self._line(line, frames)
        self._rest = [rest + held]

    def end(self) -> list[Frame]:
        """Return an unterminated last frame."""
        frames: list[Frame] = []
        rest, self._rest = b"".join(self._rest), []
        if rest:
            self._line(rest.removesuffix(b"\r"), frames)
        self._close(frames)
        return frames

    def _line(self, line: bytes, frames: list[Frame]) -> None:
        if not line:
            self._size = 0
            self._close(frames)
            return
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            frames.append(Frame(undecodable=True))
            return
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._lines.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            self._id = value
        elif name == "" and value.startswith(_USAGE):
            frames.append(Frame(usage=_parsed(value.removeprefix(_USAGE))))

    def _close(self, frames: list[Frame]) -> None:
        lines, event, id_ = self._lines, self._event, self._id
        if not lines and event is None and id_ is None:
            return
        data = None if not lines else lines[0] if len(lines) == 1 else "\n".join(lines)
        frames.append(Frame(data, event, id_))
        self._lines, self._event, self._id = [], None, None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
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
        value = from_json(frame.data, allow_inf_nan=allow_nan)
    except ValueError:
        return TacticEvent(data=frame.data)
    if not (isinstance(value, dict) and "kind" in value and "data" in value):
        return TacticEvent(data=value)
    return _envelope(value)


_FIELDS = frozenset(TacticEvent.model_fields)


def _envelope(value: dict[str, Any]) -> TacticEvent:
    known = value
    if not value.keys() <= _FIELDS:
        known = {name: value[name] for name in value.keys() & _FIELDS}
        if isinstance(known.get("metadata", {}), dict):
            extra = {name: item for name, item in value.items() if name not in _FIELDS}
            known["metadata"] = {**extra, **known.get("metadata", {})}
    try:
        return TacticEvent.model_validate(known)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        return TacticEvent.error("Invalid SSE event envelope.", payload=value, errors=errors)

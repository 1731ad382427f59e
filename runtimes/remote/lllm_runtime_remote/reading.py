"""Reading one stream: from bytes to events, and whether it ended as the service meant it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lllm import TacticEvent
from lllm_runtime_remote.answers import Answer
from lllm_runtime_remote.errors import RemoteTacticError, StreamTruncated
from lllm_runtime_remote.exchange import invalid, refusal_of
from lllm_runtime_remote.sse import DONE, Frame, FrameReader, event_of

__all__ = ["StreamReader", "is_stream", "no_stream"]

_NO_STREAM = ("application/json", "text/html")


class StreamReader:
    """Turns the bytes of one stream into events, and notices when it breaks off.

    Args:
        name: Name of the tactic, for errors.
        fold: Takes the usage that the service reports.
        allow_nan: Read NaN and infinities as numbers.
        limit: Most bytes of one frame.
    """

    def __init__(
        self, name: str, fold: Callable[[Mapping[str, Any]], None], *, allow_nan: bool, limit: int
    ) -> None:
        self._name = name
        self._fold = fold
        self._allow_nan = allow_nan
        self._frames = FrameReader(limit)
        self.promises_end = False
        self._ended = False

    def feed(self, chunk: bytes) -> Iterator[TacticEvent]:
        """Yield the events that a chunk completes.

        Args:
            chunk: Bytes as they arrive.

        Raises:
            TacticServiceError: A frame is larger than the limit.
        """
        for frame in self._frames.feed(chunk):
            yield from self._events(frame)

    def end(self) -> Iterator[TacticEvent]:
        """Yield what is left when the connection ends, and check that the service meant it to end.

        Raises:
            StreamTruncated: The service numbers its frames, as those do that mark the end, and there was no mark.
        """
        for frame in self._frames.end():
            yield from self._events(frame)
        if self.promises_end and not self._ended:
            raise StreamTruncated(f"The stream of `{self._name}` broke off before its end.")

    def _events(self, frame: Frame) -> Iterator[TacticEvent]:
        if isinstance(frame.usage, Mapping):
            self._fold(frame.usage)
        if frame.id is not None:
            self.promises_end = True
        if frame.event == "end" or frame.data == DONE:
            self._ended = True
        if self._ended:
            return
        event = event_of(frame, allow_nan=self._allow_nan)
        if event is not None:
            yield event


def is_stream(response: Any) -> bool:
    """Tell whether a response is a stream: not an error, and not a page or a document instead.

    Args:
        response: A response whose body has not been read.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return 200 <= response.status_code < 300 and kind not in _NO_STREAM


def no_stream(answer: Answer) -> RemoteTacticError:
    """Return the error for a response that is no stream.

    Args:
        answer: The whole response.
    """
    text = f"The service answers with {answer.headers.get('content-type')!r} instead of a stream of events."
    return refusal_of(answer, "stream") or invalid(answer, "stream", text)

"""`CallTrace` and `CallResult`: what a caller who asks for a trace gets."""

from __future__ import annotations

from time import perf_counter, time
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from lllm.fields import CopiedValue, Metadata, Number, SegmentText, Text, TokenText

__all__ = ["CallResult", "CallTrace"]


class CallTrace(BaseModel):
    """State, times and errors of one call.

    Attributes:
        request_id: Id of the request.
        tactic: Name of the tactic.
        state: `running`, `success` or `failure`.
        started_at: Unix time in seconds.
        ended_at: Unix time in seconds, None while running.
        latency_ms: Milliseconds on a monotonic clock.
        input_type: Name of the input's type.
        output_type: Name of the output's type.
        error_type: Class name of the exception of a failure.
        error: Its text.
        traceback: Its formatted traceback; for local eyes only.
        metadata: A copy of the context's metadata, and what runtimes add.
    """

    model_config = ConfigDict(defer_build=True)

    request_id: TokenText
    tactic: SegmentText
    state: TokenText = "running"
    started_at: Number = Field(default_factory=time)
    ended_at: Number | None = None
    latency_ms: Number | None = None
    input_type: Text | None = None
    output_type: Text | None = None
    error_type: TokenText | None = None
    error: Text | None = None
    traceback: Text | None = None
    metadata: Metadata = Field(default_factory=dict)

    _started: float = PrivateAttr(default_factory=perf_counter)

    def success(self, output: Any) -> None:
        """End the trace with a result.

        Args:
            output: The result; only the name of its type is kept.
        """
        self._end("success")
        self.output_type = type(output).__name__

    def failure(self, error: BaseException) -> None:
        """End the trace with an exception.

        Args:
            error: What the call raised.
        """
        self._end("failure")
        self.error_type = type(error).__name__
        self.error = str(error)
        from traceback import format_exception

        self.traceback = "".join(format_exception(error))

    def _end(self, state: str) -> None:
        self.latency_ms = (perf_counter() - self._started) * 1000.0
        self.ended_at = time()
        self.state = state


class CallResult(BaseModel):
    """The output of a call together with its trace.

    Attributes:
        output: The output, None after a failure.
        trace: The trace.
    """

    model_config = ConfigDict(defer_build=True)

    output: CopiedValue = None
    trace: CallTrace

    @classmethod
    def of(cls, output: Any, trace: CallTrace) -> Self:
        """Pair an output with its trace, without copying either.

        Args:
            output: The very object that the tactic returned.
            trace: The trace of the call.
        """
        return cls.model_construct(output=output, trace=trace)

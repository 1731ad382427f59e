"""`CallTrace` and `CallResult`: what a caller who asks for a trace gets."""

from __future__ import annotations

from time import perf_counter, time
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from lllm.error_text import error_text, traceback_text
from lllm.fields import CopiedValue, Metadata, Number, SegmentText, Text, TokenText
from lllm.names import check_metadata

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

    @classmethod
    def of_call(cls, request_id: str, tactic: str, input_type: str | None, metadata: dict[str, Any]) -> Self:
        """Return the trace of a call that begins, without the cost of validation.

        Args:
            request_id: A checked id.
            tactic: A checked name.
            input_type: Name of the input's type.
            metadata: The context's metadata; copied.
        """
        trace = object.__new__(cls)
        fields = {**_BLANK, "request_id": request_id, "tactic": tactic, "input_type": input_type}
        fields["state"] = "running"
        fields["metadata"] = check_metadata(metadata)
        fields["started_at"] = time()
        _set(trace, "__dict__", fields)
        _set(trace, "__pydantic_fields_set__", {"request_id", "tactic", "input_type", "metadata"})
        _set(trace, "__pydantic_extra__", None)
        _set(trace, "__pydantic_private__", {"_started": perf_counter()})
        return trace

    def success(self, output: Any) -> None:
        """End the trace with a result.

        Args:
            output: The result; only the name of its type is kept.
        """
        self._end(state="success", output_type=type(output).__name__)

    def failure(self, error: BaseException) -> None:
        """End the trace with an exception.

        Args:
            error: What the call raised.
        """
        text, trace = error_text(error), traceback_text(error)
        self._end(state="failure", error_type=type(error).__name__, error=text, traceback=trace)

    def _end(self, **fields: str) -> None:
        # One update of the dict instead of an attribute at a time, each of which pydantic would look at.
        latency = (perf_counter() - self._started) * 1000.0
        self.__dict__.update(fields, ended_at=time(), latency_ms=latency)
        self.__pydantic_fields_set__.update(fields, ("ended_at", "latency_ms"))


_set = object.__setattr__
_BLANK: dict[str, Any] = dict.fromkeys(CallTrace.model_fields)


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
        result = object.__new__(cls)
        _set(result, "__dict__", {"output": output, "trace": trace})
        _set(result, "__pydantic_fields_set__", {"output", "trace"})
        _set(result, "__pydantic_extra__", None)
        _set(result, "__pydantic_private__", None)
        return result

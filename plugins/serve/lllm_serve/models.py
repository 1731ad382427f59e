"""The bodies of a tactic service as models, for clients and documentation; the service itself writes bytes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from lllm.fields import Metadata, SegmentText, TokenText

__all__ = ["ErrorDetail", "ErrorResponse", "RunRequest", "RunResponse"]


class RunRequest(BaseModel):
    """The envelope of a call.

    Attributes:
        input: The input of the tactic.
        task: The same under its older name; `input` wins when it is not null.
        context: Fields of the `CallContext`.
    """

    model_config = ConfigDict(extra="ignore")

    input: Any = None
    task: Any = None
    context: dict[str, Any] = Field(default_factory=dict)

    @property
    def value(self) -> Any:
        """The input: `input` when it is not null, else `task`."""
        return self.input if self.input is not None else self.task


class RunResponse(BaseModel):
    """The answer to a call.

    Attributes:
        output: The output of the tactic.
        request_id: Id of the request.
        tactic: Name of the tactic.
    """

    output: Any = None
    request_id: TokenText
    tactic: SegmentText


class ErrorDetail(BaseModel):
    """What went wrong.

    Attributes:
        type: Class name of the error.
        message: Its text.
        tactic: Name of the tactic, when the error belongs to one.
        endpoint: `run`, `stream` or the name of a custom endpoint.
        request_id: Id of the request.
        metadata: What else is known.
    """

    type: TokenText
    message: StrictStr
    tactic: SegmentText | None = None
    endpoint: TokenText | None = None
    request_id: TokenText | None = None
    metadata: Metadata = Field(default_factory=dict)


class ErrorResponse(BaseModel):
    """What stands under `detail` in the body of a failed request.

    Attributes:
        error: What went wrong.
    """

    error: ErrorDetail

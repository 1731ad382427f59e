"""`TacticEvent`: the envelope of everything a stream says."""

from __future__ import annotations

from time import time
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from lllm.fields import CopiedValue, Metadata, Number, TokenText
from lllm.ids import new_id

__all__ = ["TacticEvent"]


class TacticEvent(BaseModel):
    """One event of a stream.

    Attributes:
        id: Unique id.
        timestamp: Unix time in seconds.
        kind: What the event says: `message`, `result`, `error`, or a runtime's own kind.
        data: The payload; copied on entry.
        metadata: Anything else, with string keys.
    """

    model_config = ConfigDict(defer_build=True)

    id: TokenText = Field(default_factory=new_id)
    timestamp: Number = Field(default_factory=time)
    kind: TokenText = "message"
    data: CopiedValue = None
    metadata: Metadata = Field(default_factory=dict)

    @classmethod
    def result(cls, value: Any, **metadata: Any) -> Self:
        """Return the event that carries a final result.

        Args:
            value: The result.
            **metadata: Metadata of the event.
        """
        return cls(kind="result", data=value, metadata=metadata)

    @classmethod
    def error(cls, message: str, **metadata: Any) -> Self:
        """Return the event that reports a failure.

        Args:
            message: What went wrong.
            **metadata: Metadata of the event.
        """
        return cls(kind="error", data={"message": message}, metadata=metadata)

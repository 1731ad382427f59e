"""`FunctionCall`: one use of a tool that a model asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FunctionCall"]


class FunctionCall(BaseModel):
    """A tool call.

    Attributes:
        id: Id by which the model's provider matches the result to the call.
        name: Name of the tool.
        arguments: Arguments by name.
        result: What the tool returned.
        result_str: The text that answers the model.
        error_message: Why the tool failed, or None.
    """

    model_config = ConfigDict(defer_build=True)

    id: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    result: Any = None
    result_str: str | None = None
    error_message: str | None = None

    @property
    def success(self) -> bool:
        """Whether the tool ran without an error and its result has a text."""
        return self.error_message is None and self.result_str is not None

    def equals(self, other: FunctionCall) -> bool:
        """Tell whether another call has the same name and arguments.

        Args:
            other: The call to compare with.
        """
        return self.name == other.name and self.arguments == other.arguments

    def is_repeated(self, calls: Iterable[FunctionCall]) -> bool:
        """Tell whether any of the calls has the same name and arguments.

        Args:
            calls: Earlier calls.
        """
        return any(self.equals(call) for call in calls)

    def __str__(self) -> str:
        text = f"Calling function: {self.name} with arguments: {self.arguments}"
        if self.error_message is not None:
            return f"{text}\nError: {self.error_message}"
        return text if self.result_str is None else f"{text}\nResult: {self.result_str}"

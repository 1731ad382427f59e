"""Every exception that this runtime raises by itself.

```
ParseError(ValueError)
AgentException(RuntimeError)
LLLMError
└ InvokerError
```
"""

from __future__ import annotations

from lllm.errors import LLLMError

__all__ = ["AgentException", "InvokerError", "ParseError"]


class ParseError(ValueError):
    """A model's reply does not have the form that the prompt's parser asks for.

    Args:
        message: What is missing or malformed.
        detail: More for the log.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class AgentException(RuntimeError):
    """A model's replies stayed malformed after every repair that was allowed.

    Args:
        message: What was wrong with the last reply.
        detail: More for the log.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class InvokerError(LLLMError):
    """A model provider could not be reached or refused the request.

    Args:
        status: HTTP status, or None when there was no answer.
        message: What the provider said, without keys.
        retry_after: Seconds that the provider asked to wait, or None.
    """

    def __init__(self, status: int | None, message: str, retry_after: float | None = None) -> None:
        super().__init__(message if status is None else f"HTTP {status}: {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after

"""The two errors of this package that the core does not know.

```
SSSNError (lllm.errors)
└ SSSNRefError (also ValueError)
  └ SSSNConfigMissingError (also FileNotFoundError)
RuntimeError
└ SSSNClientError
```
"""

from __future__ import annotations

from typing import Any

from lllm.errors import SSSNError
from lllm.names import check_text, check_token

__all__ = ["SSSNClientError", "SSSNConfigMissingError", "SSSNRefError"]


class SSSNRefError(SSSNError, ValueError):
    """A data-plane ref, its binding or the config around it is malformed, or nothing is bound to it."""


class SSSNConfigMissingError(SSSNRefError, FileNotFoundError):
    """The config file that a resolver was asked to read does not exist."""


class SSSNClientError(RuntimeError):
    """A server answered a request with an error, or with a body that is not what the route promises.

    Args:
        status_code: HTTP status of the response.
        error_type: Name of the error class on the server, or `InvalidResponse`; None when unknown.
        message: Text of the error; None when unknown.
        detail: The whole parsed body of the response.

    Raises:
        TypeError: `error_type` or `message` is not a string.
        ValueError: `error_type` is not a token.
    """

    def __init__(
        self,
        status_code: int,
        *,
        error_type: str | None = None,
        message: str | None = None,
        detail: Any = None,
    ) -> None:
        self.status_code = status_code
        self.error_type = None if error_type is None else check_token(error_type, "error_type")
        self.message = None if message is None else check_text(message, "message")
        self.detail = detail
        text = f"SSSN server returned HTTP {status_code}"
        if error_type is not None:
            text += f" ({error_type})"
        if message is not None:
            text += f": {message}"
        super().__init__(text)

"""From the exception that ended a call to what its caller is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from lllm.errors import (
    DeadlineExceeded,
    SchemaError,
    TacticError,
    TacticServiceError,
    TacticUnsupportedError,
)
from lllm.secrets import mask_secrets
from lllm_serve.failures import Failure
from lllm_serve.guard import failure_of

__all__ = ["failure_from", "input_errors"]


def failure_from(
    error: BaseException, *, from_input: bool = True, place: str = "", show_message: bool = True
) -> Failure:
    """Return what a caller is told about an exception.

    Args:
        error: What ended the call.
        from_input: Whether a `SchemaError` about an input is about the caller's, and not about one that the tactic
            passed on to another tactic.
        place: JSON pointer of the input inside the body.
        show_message: Show the texts of failures that are not the caller's fault.
    """
    if isinstance(error, HTTPException):
        return failure_of(error)
    if _is_remote(error):
        return _remote_failure(error, show_message)
    status = _status_of(error, from_input)
    kind = type(error).__name__
    if status >= 500:
        return Failure(
            status, kind, _text_of(error) if show_message else _hidden(kind), _pause_headers(error)
        )
    return Failure(status, kind, _text_of(error), errors=input_errors(error, place))


def _status_of(error: BaseException, from_input: bool) -> int:
    if isinstance(error, SchemaError):
        refused = error.direction is None or (error.direction == "input" and from_input)
        return 400 if refused else 500
    if isinstance(error, TacticUnsupportedError):
        return 400
    if isinstance(error, DeadlineExceeded):
        return 504
    if isinstance(error, TacticServiceError):
        return 502
    if isinstance(error, TacticError) and "SandboxLimitError" in {
        cls.__name__ for cls in type(error).__mro__
    }:
        return {"input": 413, "metadata": 403}.get(getattr(error, "kind", ""), 500)
    return 500


def _is_remote(error: BaseException) -> bool:
    """Tell whether a service that the tactic called answered with an error; its runtime need not be installed."""
    status = getattr(error, "status_code", None)
    return isinstance(error, TacticError) and isinstance(status, int) and hasattr(error, "error_type")


def _remote_failure(error: Any, show_message: bool) -> Failure:
    metadata = {
        "upstream_status": error.status_code,
        "upstream_type": error.error_type,
        "upstream_request_id": getattr(error, "request_id", None),
    }
    kind = "RemoteTacticError"
    text = _text_of(error) if show_message else _hidden(kind)
    return Failure(502, kind, text, _pause_headers(error), metadata)


def _pause_headers(error: BaseException) -> dict[str, str]:
    """Pass on how long the model or service below asks its callers to wait."""
    pause = getattr(error, "retry_after", None)
    return {"Retry-After": str(max(1, round(pause)))} if isinstance(pause, (int, float)) else {}


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""  # an exception whose text cannot be made still has a name
    return mask_secrets(text) or type(error).__name__


def _hidden(kind: str) -> str:
    return f"The tactic failed with {kind}; the log of the service says more under the id of the request."


def input_errors(error: BaseException, place: str) -> Sequence[dict[str, Any]]:
    """Return what is wrong where in an input: `pointer`, `detail` and `code` each.

    Args:
        error: A `SchemaError`, caused by what pydantic raised.
        place: JSON pointer of the input inside the body.
    """
    cause = error.__cause__
    if not (
        isinstance(error, SchemaError) and error.direction == "input" and isinstance(cause, ValidationError)
    ):
        return ()
    found = cause.errors(include_url=False, include_context=False, include_input=False)
    return [
        {
            "pointer": f"#{place}{''.join(map(_pointer_part, item['loc']))}",
            "detail": item["msg"],
            "code": item["type"],
        }
        for item in found
    ]


def _pointer_part(part: int | str) -> str:
    return "/" + str(part).replace("~", "~0").replace("/", "~1")

"""What a service answered instead of a result.

```
TacticServiceError
└ StreamTruncated
TacticError
└ RemoteTacticError
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lllm import errors as core
from lllm.errors import TacticError, TacticServiceError
from lllm.names import check_segment, check_text, check_token

__all__ = ["RemoteTacticError", "StreamTruncated", "error_from_body", "error_from_event"]


class StreamTruncated(TacticServiceError):
    """A stream broke off before the service had ended it."""


class RemoteTacticError(TacticError):
    """A service answered with an error.

    When the service names an error type that is known here, the exception is one of that type as well, so that
    `except SchemaError` or `except ValueError` catches what it would have caught locally.

    Args:
        status_code: HTTP status, 100 to 599; 200 for a failure inside a stream.
        error_type: Class name of the remote exception.
        message: Its text.
        tactic: Name of the tactic.
        endpoint: `run`, `stream`, `info` or the name of a custom endpoint.
        request_id: Id of the request.
        detail: The parsed body, or its text.
        retry_after: Seconds after which the service asks to be called again.

    Raises:
        ValueError: `status_code` is no status, or a name is malformed.
        TypeError: A name is not a str.
    """

    def __init__(
        self,
        status_code: int,
        *,
        error_type: str | None = None,
        message: str | None = None,
        tactic: str | None = None,
        endpoint: str | None = None,
        request_id: str | None = None,
        detail: Any = None,
        retry_after: float | None = None,
    ) -> None:
        status: object = status_code
        if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
            raise ValueError(f"status_code must be an integer from 100 to 599, not {status_code!r}.")
        self.status_code = status_code
        self.error_type = None if error_type is None else check_token(error_type, "error_type")
        self.tactic = None if tactic is None else check_segment(tactic, "tactic")
        self.endpoint = None if endpoint is None else check_token(endpoint, "endpoint")
        self.request_id = None if request_id is None else check_token(request_id, "request_id")
        self.detail = detail
        self.retry_after = retry_after
        self.message = _message_of(detail) if message is None else check_text(message, "message")
        kind = "" if self.error_type is None else f" ({self.error_type})"
        text = "" if self.message is None else f": {_shortened(self.message)}"
        super().__init__(f"Remote tactic returned HTTP {status_code}{kind}{text}")
        if isinstance(self, core.SchemaError):
            # The body does not say which side did not match; the status does.
            self.direction = {400: "input", 500: "output"}.get(status_code)

    # A class that is a KeyError too would show the representation of the text.
    __str__ = Exception.__str__

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: value for name, value in self.__dict__.items() if name in _FIELDS}
        return _rebuilt, (self.status_code, fields)


_LONGEST_TEXT = 2000


def _shortened(message: str) -> str:
    """A gateway may answer with a whole page, which `message` keeps and the text of the error does not repeat."""
    return message if len(message) <= _LONGEST_TEXT else f"{message[:_LONGEST_TEXT]}..."


_FIELDS = ("error_type", "message", "tactic", "endpoint", "request_id", "detail", "retry_after")


def _rebuilt(status_code: int, fields: dict[str, Any]) -> RemoteTacticError:
    return _class_for(fields.get("error_type"))(status_code, **fields)


def _message_of(detail: Any) -> str | None:
    if isinstance(detail, str):
        return detail
    nested = _nested_error(detail)
    message = nested.get("message")
    return message if isinstance(message, str) else None


def _nested_error(body: Any) -> Mapping[str, Any]:
    """Return the error of a body: `detail.error`, then `error`, else an empty map."""
    if isinstance(body, Mapping):
        for holder in (body.get("detail"), body):
            if isinstance(holder, Mapping) and isinstance(holder.get("error"), Mapping):
                found: Mapping[str, Any] = holder["error"]
                return found
    return {}


def error_from_body(status_code: int, body: Any, *, retry_after: float | None = None) -> RemoteTacticError:
    """Make the error that a response stands for; a malformed field is left out on its own.

    Args:
        status_code: HTTP status.
        body: The parsed body, or its text when it is not JSON.
        retry_after: Seconds of the `Retry-After` header.
    """
    nested = _nested_error(body)
    fields: dict[str, Any] = {
        "error_type": _valid(nested.get("type"), check_token),
        "message": _valid(nested.get("message"), check_text),
        "tactic": _valid(nested.get("tactic"), check_segment),
        "endpoint": _valid(nested.get("endpoint"), check_token),
        "request_id": _valid(nested.get("request_id"), check_token),
    }
    if fields["message"] is None and isinstance(body, Mapping) and isinstance(body.get("detail"), str):
        fields["message"] = body["detail"]
    cls = _class_for(fields["error_type"])
    return cls(status_code, detail=body, retry_after=retry_after, **fields)


def error_from_event(status_code: int, data: Any, metadata: Mapping[str, Any]) -> RemoteTacticError:
    """Make the error that an error frame of a stream stands for.

    Args:
        status_code: Status of the response that carries the stream.
        data: Data of the frame.
        metadata: Its metadata.
    """
    fields: dict[str, Any] = {
        "error_type": _valid(metadata.get("error_type"), check_token),
        "tactic": _valid(metadata.get("tactic"), check_segment),
        "endpoint": _valid(metadata.get("endpoint"), check_token),
        "request_id": _valid(metadata.get("request_id"), check_token),
    }
    message = data.get("message") if isinstance(data, Mapping) else data
    cls = _class_for(fields["error_type"])
    return cls(status_code, message=_valid(message, check_text), detail=data, **fields)


def _valid(value: Any, check: Callable[[object, str], str]) -> str | None:
    try:
        return check(value, "field")
    except (TypeError, ValueError):
        return None


_KNOWN: dict[str, type[Exception]] = {
    name: getattr(core, name)
    for name in core.__all__
    if issubclass(getattr(core, name), TacticError | core.SchemaError)
} | {cls.__name__: cls for cls in (ValueError, TypeError, LookupError, KeyError, IndexError, ArithmeticError)}
_classes: dict[str, type[RemoteTacticError]] = {}


def _class_for(error_type: str | None) -> type[RemoteTacticError]:
    """Return a class that is the remote error and the local type of that name at once."""
    known = _KNOWN.get(error_type or "")
    if known is None or error_type is None:
        return RemoteTacticError
    cls = _classes.get(error_type)
    if cls is None:
        bases = (RemoteTacticError, known)
        namespace = {"__doc__": f"A `{error_type}` that a service raised.", "__module__": __name__}
        # Traces and logs show the name of the class, and every one of these is a RemoteTacticError to its readers.
        cls = _classes[error_type] = type(RemoteTacticError.__name__, bases, namespace)
    return cls

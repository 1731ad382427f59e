"""One exchange with a service: its request, its retries, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import uniform
from typing import Any
from uuid import uuid4

from pydantic_core import from_json, to_json

from lllm import DeadlineExceeded, SchemaError, TacticServiceError
from lllm.context import CallContext
from lllm.propagation import outgoing_headers
from lllm_runtime_remote.clients import is_timeout, was_not_sent
from lllm_runtime_remote.errors import RemoteTacticError, error_from_body

__all__ = ["Exchange", "encode", "parse_answer", "parse_body", "retry_after_of", "usage_of"]

_RETRIED = frozenset({429, 503})
_RETRIED_WHEN_KEYED = frozenset({429, 502, 503, 504})
_LONGEST_PAUSE = 30.0


def encode(value: Any, context: CallContext, *, allow_nan: bool) -> bytes:
    """Return the body of a call: the input and the whole context.

    Args:
        value: The validated input: a model, a dataclass, plain data.
        context: The context of the call.
        allow_nan: Let NaN and infinities through.

    Raises:
        SchemaError: The input has no JSON form.
    """
    try:
        body = to_json({"input": value, "context": context}, inf_nan_mode="constants")
    except Exception as error:
        raise SchemaError(f"The input cannot be sent as JSON: {error}", direction="input") from error
    if not allow_nan and (b"NaN" in body or b"Infinity" in body):
        json.loads(body, parse_constant=_refuse_constant)
    return body


def _refuse_constant(name: str) -> Any:
    raise SchemaError(
        f"The input holds {name}, which JSON does not know; pass allow_nan=True to send it all the same.",
        direction="input",
    )


@dataclass(slots=True)
class Exchange:
    """The tries of one call.

    Attributes:
        context: The context of the call.
        timeout: Seconds that one try may take, or None.
        retries: Further tries after the first.
        headers: Headers that the tactic adds.
        extra: What the caller gave for the HTTP library, `headers` and `timeout` included.
        idempotent: Send an idempotency key with the first try already.
    """

    context: CallContext
    timeout: float | None
    retries: int
    headers: Mapping[str, str]
    extra: dict[str, Any]
    idempotent: bool = False
    attempt: int = 0
    key: str = field(default_factory=lambda: uuid4().hex)

    def request(self, accept: str) -> dict[str, Any]:
        """Return the keyword arguments of the next try.

        Args:
            accept: The media type that is wanted.

        Raises:
            DeadlineExceeded: No time is left.
        """
        self.attempt += 1
        headers = {"content-type": "application/json", "accept": accept, "x-lllm-usage": "1"}
        headers.update(outgoing_headers())
        headers.update(self.headers)
        if self.idempotent or self.attempt > 1:
            headers["idempotency-key"] = self.key
        timeout = self.timeout
        remaining = self.context.remaining
        if remaining is not None:
            if remaining <= 0:
                raise DeadlineExceeded("The deadline of the call has passed.")
            headers["x-lllm-timeout-ms"] = str(max(1, int(remaining * 1000)))
            timeout = remaining if timeout is None else min(timeout, remaining)
        headers.update({name.lower(): value for name, value in dict(self.extra.get("headers") or {}).items()})
        return {"timeout": timeout, **self.extra, "headers": headers}

    def pause_after_status(self, error: RemoteTacticError) -> float:
        """Return the seconds before the next try, or raise the error when none is due."""
        keyed = self.idempotent or self.attempt > 1
        if error.status_code not in (_RETRIED_WHEN_KEYED if keyed else _RETRIED):
            raise error
        return self._pause(error, error.retry_after)

    def pause_after_failure(self, error: Exception, url: str) -> float:
        """Return the seconds before the next try, or raise what the caller sees.

        Args:
            error: A transport error.
            url: The URL that was called.
        """
        failure = self.failure(error, url)
        if not (self.idempotent or was_not_sent(error)):
            raise failure from error
        try:
            return self._pause(failure, None)
        except TacticServiceError:
            raise failure from error

    def failure(self, error: Exception, url: str) -> Exception:
        """Return what the caller sees of a transport error.

        Args:
            error: The transport error.
            url: The URL that was called.
        """
        remaining = self.context.remaining
        if remaining is not None and remaining <= 0:
            return DeadlineExceeded("The deadline of the call has passed.")
        what = "did not answer in time" if is_timeout(error) else "could not be reached or broke off"
        return TacticServiceError(f"The service at {url} {what}: {str(error) or type(error).__name__}")

    def _pause(self, error: Exception, asked: float | None) -> float:
        pause = max(asked or 0.0, 0.05 * 2.0**self.attempt * uniform(0.5, 1.0))
        remaining = self.context.remaining
        late = remaining is not None and pause >= remaining
        if self.attempt > self.retries or pause > _LONGEST_PAUSE or late or self.context.cancelled:
            raise error
        return pause


def parse_body(response: Any) -> Any:
    """Return the parsed body of an error response, or its text when it is not JSON."""
    try:
        return from_json(response.content)
    except ValueError:
        return response.text


def retry_after_of(response: Any) -> float | None:
    """Return the seconds of a `Retry-After` header; dates are not read."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return None


def parse_answer(response: Any, *, allow_nan: bool) -> Any:
    """Return the output that a response to `run` carries.

    Args:
        response: A complete response.
        allow_nan: Accept NaN and infinities.

    Raises:
        RemoteTacticError: The status says error, or the body is not JSON.
    """
    status = response.status_code
    if status >= 400:
        raise error_from_body(status, parse_body(response), retry_after=retry_after_of(response))
    try:
        body = from_json(response.content, allow_inf_nan=allow_nan)
    except ValueError as error:
        raise RemoteTacticError(
            status,
            error_type="InvalidResponse",
            message=f"The response is not valid JSON: {error}",
            endpoint="run",
            detail=response.text,
        ) from error
    return body["output"] if isinstance(body, dict) and "output" in body else body


def usage_of(response: Any) -> Mapping[str, Any] | None:
    """Return the usage that a response reports in its header, or None when it is missing or malformed."""
    text = response.headers.get("x-lllm-usage")
    if text is None:
        return None
    try:
        usage = json.loads(text)
    except ValueError:
        return None
    return usage if isinstance(usage, dict) else None

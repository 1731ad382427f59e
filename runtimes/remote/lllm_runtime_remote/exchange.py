"""One exchange with a service: its request, its retries, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from random import uniform
from time import monotonic, time
from typing import Any
from uuid import uuid4

from pydantic_core import from_json, to_json

from lllm import DeadlineExceeded, SchemaError, TacticServiceError
from lllm.context import CallContext
from lllm.propagation import outgoing_headers
from lllm_runtime_remote.answers import Answer
from lllm_runtime_remote.clients import is_timeout, was_not_sent
from lllm_runtime_remote.errors import RemoteTacticError, error_from_body
from lllm_runtime_remote.headers import check_header

__all__ = ["Exchange", "encode", "invalid", "parse_answer", "refusal_of", "usage_of"]

_RETRIED = frozenset({429, 502, 503, 504})
_ANSWERED = frozenset({502, 504})
"""Statuses that a service itself gives to work that has begun; without its error, a gateway gave them."""
_LONGEST_PAUSE = 30.0
_CLOCK_STEP = 0.005
"""Seconds by which a timer may ring before the deadline that it was set to."""


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
        headers: Headers that the tactic adds; they may hold its credential.
        extra: What the caller gave for the HTTP library, `headers` and `timeout` included.
        idempotent: Send an idempotency key with the first try already.
        until: Monotonic time in seconds by which the running try must have its whole answer, or None.
    """

    context: CallContext
    timeout: float | None
    retries: int
    headers: Mapping[str, str] = field(repr=False)
    extra: dict[str, Any] = field(repr=False)
    idempotent: bool = False
    attempt: int = 0
    until: float | None = None
    key: str | None = None

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
            self.key = self.key or uuid4().hex
            headers["idempotency-key"] = self.key
        timeout = self.extra.get("timeout", self.timeout)
        remaining = self.remaining()
        if remaining is not None:
            headers["x-lllm-timeout-ms"] = str(max(1, int(remaining * 1000)))
            if timeout is None or (isinstance(timeout, (int, float)) and timeout > remaining):
                timeout = remaining
        # A timeout object of the HTTP library counts from byte to byte, as its owner wants it.
        seconds = timeout if isinstance(timeout, (int, float)) else remaining
        self.until = None if seconds is None else monotonic() + seconds
        for name, value in dict(self.extra.get("headers") or {}).items():
            headers[name.lower()] = check_header(value, name)
        return {**self.extra, "timeout": timeout, "headers": headers}

    def seconds(self) -> float | None:
        """Return the seconds that the running try may still take, or None."""
        return None if self.until is None else self.until - monotonic()

    def remaining(self) -> float | None:
        """Return the seconds until the caller's deadline, or None.

        Raises:
            DeadlineExceeded: It has passed.
        """
        remaining = self.context.remaining
        if remaining is not None and remaining <= 0:
            raise DeadlineExceeded("The deadline of the call has passed.")
        return remaining

    def pause_after_status(self, error: RemoteTacticError) -> float:
        """Return the seconds before the next try, or raise the error when none is due."""
        keyed = self.idempotent or self.attempt > 1
        status = error.status_code
        if status not in _RETRIED or (status in _ANSWERED and error.error_type is not None and not keyed):
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
        if remaining is not None and remaining <= _CLOCK_STEP:
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


def parse_body(answer: Answer) -> Any:
    """Return the parsed body of an error response, or its text when it is not JSON."""
    try:
        return from_json(answer.content)
    except ValueError:
        return answer.text


def refusal_of(answer: Answer, endpoint: str) -> RemoteTacticError | None:
    """Return the error that a response stands for by its status, or None when it is a success.

    Args:
        answer: A response.
        endpoint: What was called.
    """
    status = answer.status_code
    if status > 599:
        return invalid(
            answer, endpoint, f"The service answers with status {status}, which HTTP does not have."
        )
    if status >= 400:
        return error_from_body(status, parse_body(answer), retry_after=_retry_after(answer.headers))
    if 200 <= status < 300:
        return None
    where = answer.headers.get("location")
    text = "" if where is None else f" to {where}"
    return invalid(answer, endpoint, f"The service redirects{text}, which is not followed: not valid JSON.")


def invalid(answer: Answer, endpoint: str, message: str) -> RemoteTacticError:
    """Return the error for a response that is no answer.

    Args:
        answer: The response.
        endpoint: What was called.
        message: What is wrong with it.
    """
    return RemoteTacticError(
        answer.status_code if 100 <= answer.status_code <= 599 else 502,
        error_type="InvalidResponse",
        message=message,
        endpoint=endpoint,
        detail=answer.text,
    )


def _retry_after(headers: Any) -> float | None:
    """Return the seconds of a `Retry-After` header, which is a number or a date."""
    text = headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, OverflowError):
        return None


def parse_answer(answer: Answer, *, allow_nan: bool) -> Any:
    """Return the output that a response to `run` carries.

    Args:
        answer: A complete response.
        allow_nan: Accept NaN and infinities.

    Raises:
        RemoteTacticError: The status says error, or the body is not JSON.
    """
    refusal = refusal_of(answer, "run")
    if refusal is not None:
        raise refusal
    try:
        body = from_json(answer.content, allow_inf_nan=allow_nan)
    except ValueError as error:
        raise invalid(answer, "run", f"The response is not valid JSON: {error}") from error
    return body["output"] if isinstance(body, dict) and "output" in body else body


def usage_of(answer: Answer) -> Mapping[str, Any] | None:
    """Return the usage that a response reports in its header, or None when it is missing or malformed."""
    text = answer.headers.get("x-lllm-usage")
    if text is None:
        return None
    try:
        usage = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return usage if isinstance(usage, dict) else None

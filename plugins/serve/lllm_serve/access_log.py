"""One structured line for each request, and the format of lines for machines."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from starlette.types import Scope

from lllm.secrets import mask_secrets
from lllm_serve.request_state import RequestState

__all__ = ["JSONLines", "access", "log_access", "log_failure", "logger"]

logger = logging.getLogger("lllm.serve")
"""Failures, with tracebacks."""

access = logging.getLogger("lllm.serve.access")
"""One line for each request, at INFO."""


def log_access(scope: Scope, state: RequestState) -> None:
    """Write the line of a request that has been answered.

    Args:
        scope: The ASGI scope.
        state: The notes on the request; a status of 0 means that the caller left first.
    """
    milliseconds = round((perf_counter() - state.started) * 1000, 3)
    path, request_id = printable(mask_secrets(scope["path"])), printable(state.request_id)
    method = scope.get("method", scope["type"].upper())
    client = scope.get("client")
    access.info(
        "%s %s %d %.1fms %s",
        method,
        path,
        state.status,
        milliseconds,
        request_id,
        extra={
            "fields": {
                "method": method,
                "path": path,
                "status": state.status,
                "duration_ms": milliseconds,
                "request_id": request_id,
                "tactic": state.tactic,
                "endpoint": state.endpoint,
                "principal": state.principal,
                "client": client[0] if client else None,
            }
        },
    )


def log_failure(state: RequestState, error: BaseException) -> None:
    """Write that a request failed, with the traceback; what looks like a secret is masked.

    Args:
        state: The notes on the request.
        error: What was raised.
    """
    import traceback

    text = mask_secrets("".join(traceback.format_exception(error)).rstrip())
    request_id = printable(state.request_id)
    logger.error(
        "tactic %r failed at endpoint %r, request %s: %s\n%s",
        state.tactic,
        state.endpoint,
        request_id,
        type(error).__name__,
        text,
        extra={
            "fields": {
                "request_id": request_id,
                "tactic": state.tactic,
                "endpoint": state.endpoint,
                "error_type": type(error).__name__,
            }
        },
    )


_LONGEST = 1000


def printable(text: str) -> str:
    """Return a text that stays on its line, and short: what a caller sends must not look like lines of the log.

    Args:
        text: Any text.
    """
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    return text if text.isprintable() else repr(text)[1:-1]


class JSONLines(logging.Formatter):
    """Formats each record as one JSON object on one line: time, level, logger, message and the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line.

        Args:
            record: What was logged.
        """
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        line["message"] = record.getMessage()
        if record.exc_info:
            line["traceback"] = mask_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)

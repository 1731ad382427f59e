"""Errors of Pydantic AI as `InvokerError`, without keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic_ai.exceptions import AgentRunError, ModelAPIError, UserError

from lllm.secrets import mask_secrets
from lllm_runtime_agents.errors import InvokerError
from lllm_runtime_agents.models_client import ModelClients
from lllm_runtime_agents.rate_limit import retry_after
from lllm_runtime_agents.redaction import HIDDEN

__all__ = ["as_invoker_errors"]


@contextmanager
def as_invoker_errors(clients: ModelClients) -> Iterator[None]:
    """Turn what the library raises into `InvokerError`.

    The library's own exception is not kept as the cause: it holds the request and the provider's answer, and
    either may repeat the key.

    Args:
        clients: Whose key must not be shown.

    Raises:
        InvokerError: The provider could not be reached or refused.
    """
    try:
        yield
    except ModelAPIError as error:
        status = getattr(error, "status_code", None)
        text = _said(getattr(error, "body", None)) or error.message
        raise InvokerError(status, _safe(text, clients), retry_after(error)) from None
    except (AgentRunError, UserError) as error:
        raise InvokerError(None, _safe(str(error), clients)) from None


def _said(body: Any) -> str | None:
    """Return the text of a provider's error, wherever in the answer it stands."""
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        text = inner.get("message") if isinstance(inner, Mapping) else inner
        return text if isinstance(text, str) and text else None
    return body if isinstance(body, str) and body else None


def _safe(text: str, clients: ModelClients) -> str:
    try:
        key = clients.api_key
    except InvokerError:
        key = None
    return mask_secrets(text.replace(key, HIDDEN) if key else text)

"""The runtime `remote`: opens URL bindings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from lllm import Runtime, Tactic, TacticServiceError
from lllm_runtime_remote.answers import TooLargeError
from lllm_runtime_remote.clients import get, is_transport_error
from lllm_runtime_remote.tactic import RemoteTactic
from lllm_runtime_remote.urls import service_urls

__all__ = ["RemoteRuntime"]


class RemoteRuntime(Runtime):
    """Tactics behind `http://` and `https://` URLs."""

    def open(self, ref: str | None, binding: Mapping[str, Any]) -> Tactic[Any, Any]:
        """Return the remote tactic of a binding.

        Args:
            ref: The ref that is bound, or None for a bare URL.
            binding: `url`, and any argument of `RemoteTactic`; `credential` is a function that returns a bearer
                token, asked at each request.
        """
        options = dict(binding)
        credential = options.pop("credential", None)
        if credential is not None:
            options.setdefault("auth", credential)
        return RemoteTactic(options.pop("url"), **options)

    def health(self, url: str, *, timeout: float = 5.0) -> None:
        """Return when the service behind a URL is well.

        Args:
            url: Any URL of the service.
            timeout: Seconds to wait for its answer.

        Raises:
            TacticServiceError: It cannot be reached, or answers with an error.
        """
        health = service_urls(url).health
        try:
            answer = get(health, timeout)
        except Exception as error:
            if isinstance(error, TooLargeError):
                raise TacticServiceError(f"{health} cannot be read: {error}") from error
            if not is_transport_error(error):
                raise
            raise TacticServiceError(f"{health} cannot be reached: {error}") from error
        if not 200 <= answer.status_code < 300:
            raise TacticServiceError(f"{health} answers HTTP {answer.status_code}")
        if not _says_ok(answer.content):
            raise TacticServiceError(f"{health} does not say that the service is well")


def _says_ok(body: bytes) -> bool:
    """Tell whether a body is the answer of a service that is well; a page comes from something else."""
    try:
        value = from_json(body)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("ok", True) is True

"""Making the model objects of Pydantic AI, and keeping their connections."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.providers import Provider, infer_provider_class

from lllm.secrets import mask_secrets
from lllm_runtime_agents.errors import InvokerError
from lllm_runtime_agents.roles import APITypes

try:
    import httpx2 as http
except ImportError:
    import httpx as http  # type: ignore[no-redef]

__all__ = ["ModelClients"]

_CONNECT_TIMEOUT = 10.0


class ModelClients:
    """Model objects by name, all on one pool of connections.

    Args:
        config: The `invoker_config` of the invoker `models`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._home: asyncio.AbstractEventLoop | None = None
        self._models: dict[tuple[str, APITypes], Model[Any]] = {}
        self._client: http.AsyncClient | None = None

    @asynccontextmanager
    async def model(self, name: Any, api_type: APITypes) -> AsyncIterator[Model[Any]]:
        """Give a model object for the time of one request.

        Args:
            name: `provider:model`, a bare OpenAI name, or a model object.
            api_type: Which of the provider's APIs is called.

        Raises:
            InvokerError: The provider is unknown, not installed, or has no key.
        """
        if isinstance(name, Model):
            yield name
            return
        loop = asyncio.get_running_loop()
        if self._home is None or self._home.is_closed():
            self._home, self._client = loop, self._new_client()
            self._models.clear()
        if loop is self._home:
            key = (str(name), api_type)
            if key not in self._models:
                assert self._client is not None
                self._models[key] = self._build(*key, self._client)
            yield self._models[key]
            return
        # Connections belong to the loop that opened them; a loop inside of a blocked one gets its own.
        async with self._new_client() as client:
            yield self._build(str(name), api_type, client)

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client, self._home = self._client, None, None
        self._models.clear()
        if client is not None:
            await client.aclose()

    @property
    def api_key(self) -> str | None:
        """The key from the config, or from the environment variable that it names.

        Raises:
            InvokerError: The variable is not set.
        """
        if key := self._config.get("api_key"):
            return str(key)
        variable = self._config.get("api_key_env")
        if not variable:
            return None
        key = os.environ.get(str(variable))
        if not key and not self._is_local:
            raise InvokerError(None, f"No API key: the environment variable `{variable}` is not set.")
        return key or None

    @property
    def _is_local(self) -> bool:
        host = urlsplit(str(self._config.get("base_url") or "")).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False

    def _new_client(self) -> http.AsyncClient:
        connections = int(self._config.get("max_connections") or 64)
        timeout = float(self._config.get("timeout") or 120.0)
        return http.AsyncClient(
            limits=http.Limits(max_connections=connections, max_keepalive_connections=connections),
            timeout=http.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT)),
            headers={str(key): str(value) for key, value in (self._config.get("headers") or {}).items()},
            follow_redirects=False,
        )

    def _build(self, name: str, api_type: APITypes, client: http.AsyncClient) -> Model[Any]:
        full = _full_name(name, api_type, self._config.get("provider"))
        try:
            return infer_model(full, lambda provider: self._provider(provider, client))
        except (UserError, ValueError, TypeError) as error:
            raise InvokerError(None, f"Model '{name}' cannot be used: {mask_secrets(str(error))}") from None
        except ImportError as error:
            extra = full.partition(":")[0].partition("-")[0]
            raise InvokerError(
                None, f"Model '{name}' needs a library: {error}; pip install 'pydantic-ai-slim[{extra}]'"
            ) from None

    def _provider(self, name: str, client: http.AsyncClient) -> Provider[Any]:
        kind = infer_provider_class(name)
        taken = inspect.signature(kind.__init__).parameters
        base_url, key = self._config.get("base_url"), self.api_key
        if base_url and key is None:
            key = self._key_for_own_url(name, base_url)
        wanted = {"base_url": base_url, "api_key": key, "http_client": client}
        return kind(
            **{field: value for field, value in wanted.items() if value is not None and field in taken}
        )

    def _key_for_own_url(self, provider: str, base_url: Any) -> str | None:
        """Return what stands for a key that the config does not name; None leaves it to the library."""
        if self._is_local:
            # Whatever key the environment holds is not for a server on this machine.
            return "unused"
        if provider.startswith("openai") and "OPENAI_API_KEY" not in os.environ:
            raise InvokerError(
                None, f"No API key for {base_url}: set `api_key_env` in `invoker_config`, or OPENAI_API_KEY."
            )
        return None


def _full_name(name: str, api_type: APITypes, provider: Any) -> str:
    """Return `provider:model`; what stands before a colon counts as a provider only when it is one."""
    prefix, colon, _ = name.partition(":")
    if colon and _is_provider(prefix):
        return name
    if provider:
        return f"{provider}:{name}"
    return f"openai-responses:{name}" if api_type is APITypes.RESPONSE else f"openai-chat:{name}"


def _is_provider(name: str) -> bool:
    try:
        infer_provider_class(name)
    except ValueError:
        return False
    except ImportError:
        return True
    return True

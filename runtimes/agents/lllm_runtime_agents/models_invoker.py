"""The invoker `models`: Pydantic AI's model layer, imported at the first model call."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from lllm.background import adrive, drive, iterate_async, run_in_thread
from lllm_runtime_agents.invoker import BaseInvoker, BaseStreamHandler, InvokeResult
from lllm_runtime_agents.roles import APITypes

if TYPE_CHECKING:
    from lllm_runtime_agents.dialog import Dialog
    from lllm_runtime_agents.models_client import ModelClients
    from lllm_runtime_agents.models_request import ModelsRequest

__all__ = ["ModelsInvoker"]


class ModelsInvoker(BaseInvoker):
    """Asks any provider that Pydantic AI knows.

    All requests of the process run on one background loop, so that callers in any thread or loop share the
    connections.

    Args:
        config: `base_url`, `api_key` or `api_key_env`, `provider`, `headers`, `timeout` (seconds, 120),
            `max_connections` (64), `settings`, and `prices`: model name to dollars per million `input`, `output`
            and `cached` tokens.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        self._lock = Lock()
        self._clients: ModelClients | None = None

    def call(
        self,
        dialog: Dialog,
        model: Any,
        model_args: dict[str, Any] | None = None,
        parser_args: dict[str, Any] | None = None,
        responder: str = "assistant",
        metadata: dict[str, Any] | None = None,
        api_type: APITypes = APITypes.COMPLETION,
        stream_handler: BaseStreamHandler | None = None,
    ) -> InvokeResult:
        """Ask the model and wait for its reply."""
        request = self._request(dialog, model, model_args, parser_args, responder, api_type)
        if stream_handler is None:
            return drive(request.ask())
        for item in iterate_async(request.stream):
            if isinstance(item, InvokeResult):
                return item
            stream_handler.handle_chunk(*item)
        raise AssertionError("a stream ends with its result")

    async def acall(
        self,
        dialog: Dialog,
        model: Any,
        model_args: dict[str, Any] | None = None,
        parser_args: dict[str, Any] | None = None,
        responder: str = "assistant",
        metadata: dict[str, Any] | None = None,
        api_type: APITypes = APITypes.COMPLETION,
        stream_handler: BaseStreamHandler | None = None,
    ) -> InvokeResult:
        """Ask the model and await its reply; cancelling closes the request."""
        if self._clients is None:
            # The library takes a second to import.
            await run_in_thread(self._shared_clients)
        request = self._request(dialog, model, model_args, parser_args, responder, api_type)
        if stream_handler is None:
            return await adrive(request.ask())
        async for item in _across(request.stream):
            if isinstance(item, InvokeResult):
                return item
            stream_handler.handle_chunk(*item)
        raise AssertionError("a stream ends with its result")

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._clients is not None:
            drive(self._clients.aclose())

    def _request(
        self,
        dialog: Dialog,
        model: Any,
        model_args: dict[str, Any] | None,
        parser_args: dict[str, Any] | None,
        responder: str,
        api_type: APITypes,
    ) -> ModelsRequest:
        from lllm_runtime_agents.models_request import ModelsRequest

        return ModelsRequest(
            clients=self._shared_clients(),
            config=self.config,
            dialog=dialog,
            model=model,
            model_args=dict(model_args or {}),
            parser_args=parser_args,
            responder=responder,
            api_type=api_type,
        )

    def _shared_clients(self) -> ModelClients:
        with self._lock:
            if self._clients is None:
                from lllm_runtime_agents.models_client import ModelClients

                self._clients = ModelClients(self.config)
                weakref.finalize(self, _close_later, self._clients).atexit = False
            return self._clients


def _close_later(clients: ModelClients) -> None:
    """Close the connections of an invoker that nobody holds any more; garbage collection must not wait for it."""
    Thread(target=lambda: drive(clients.aclose()), daemon=True).start()


async def _across(make: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    """Iterate here over what is produced on the background loop."""
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[Any] = asyncio.Queue()
    end = object()

    async def pump() -> None:
        async for item in make():
            loop.call_soon_threadsafe(items.put_nowait, item)

    task = asyncio.ensure_future(adrive(pump()))
    task.add_done_callback(lambda _: items.put_nowait(end))
    try:
        while (item := await items.get()) is not end:
            yield item
        await task
    finally:
        task.cancel()

"""The invoker `litellm`: for those who have litellm installed and want its providers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lllm.secrets import mask_secrets
from lllm_runtime_agents.errors import InvokerError
from lllm_runtime_agents.invoker import BaseInvoker, BaseStreamHandler, InvokeResult
from lllm_runtime_agents.litellm_messages import chat_messages, prompt_arguments, reply_message, usage_of
from lllm_runtime_agents.rate_limit import retry_after
from lllm_runtime_agents.redaction import HIDDEN
from lllm_runtime_agents.replies import read_reply
from lllm_runtime_agents.roles import APITypes

if TYPE_CHECKING:
    from lllm_runtime_agents.dialog import Dialog

__all__ = ["LiteLLMInvoker"]

_TIMEOUT = 120.0


class LiteLLMInvoker(BaseInvoker):
    """Asks any provider that litellm knows; litellm is imported when the invoker is built.

    Args:
        config: `base_url`, `api_key` or `api_key_env`, `headers`, `timeout` (seconds, 120), `prices` and
            `settings`, which are further arguments of every request.

    Raises:
        ImportError: litellm is not installed.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        try:
            self._litellm: Any = import_module("litellm")
        except ModuleNotFoundError as error:
            if error.name != "litellm":
                raise
            raise ImportError(
                "The invoker 'litellm' needs litellm: pip install 'lllm-runtime-agents[litellm]'. "
                "The invoker 'models' reaches most providers without it."
            ) from None

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
        arguments = self._arguments(dialog, model, model_args)
        if stream_handler is None:
            with self._invoker_errors():
                response = self._litellm.completion(**arguments)
        else:
            taken = []
            for chunk in self._chunks(arguments):
                stream_handler.handle_chunk(_text_of(chunk), chunk)
                taken.append(chunk)
            response = self._litellm.stream_chunk_builder(taken, messages=arguments["messages"])
        return self._result(response, dialog, model_args, parser_args, responder, api_type)

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
        """Ask the model and await its reply."""
        arguments = self._arguments(dialog, model, model_args)
        if stream_handler is None:
            with self._invoker_errors():
                response = await self._litellm.acompletion(**arguments)
        else:
            taken = []
            async for chunk in self._achunks(arguments):
                stream_handler.handle_chunk(_text_of(chunk), chunk)
                taken.append(chunk)
            response = self._litellm.stream_chunk_builder(taken, messages=arguments["messages"])
        return self._result(response, dialog, model_args, parser_args, responder, api_type)

    def _arguments(self, dialog: Dialog, model: Any, model_args: Mapping[str, Any] | None) -> dict[str, Any]:
        config = self.config
        arguments: dict[str, Any] = {
            "model": model,
            "messages": chat_messages(dialog),
            "drop_params": True,
            "num_retries": 0,
            "timeout": float(config.get("timeout") or _TIMEOUT),
            **prompt_arguments(dialog.top_prompt),
            **(config.get("settings") or {}),
            **(model_args or {}),
        }
        own = {
            "base_url": config.get("base_url"),
            "api_key": self._key,
            "extra_headers": config.get("headers"),
        }
        return {**arguments, **{name: value for name, value in own.items() if value}}

    @property
    def _key(self) -> str | None:
        variable = self.config.get("api_key_env")
        return self.config.get("api_key") or (os.environ.get(str(variable)) if variable else None)

    def _chunks(self, arguments: Mapping[str, Any]) -> Iterator[Any]:
        with self._invoker_errors():
            yield from self._litellm.completion(**arguments, **_STREAMED)

    async def _achunks(self, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        with self._invoker_errors():
            async for chunk in await self._litellm.acompletion(**arguments, **_STREAMED):
                yield chunk

    def _result(
        self,
        response: Any,
        dialog: Dialog,
        model_args: Mapping[str, Any] | None,
        parser_args: Mapping[str, Any] | None,
        responder: str,
        api_type: APITypes,
    ) -> InvokeResult:
        usage = usage_of(response, self.config.get("prices") or {}, self._litellm)
        message, errors = reply_message(response, responder, api_type, usage)
        if not errors:
            errors = read_reply(message, dialog.top_prompt, parser_args)
        return InvokeResult(
            raw_response=response,
            model_args=dict(model_args or {}),
            execution_errors=errors,
            message=message,
        )

    @contextmanager
    def _invoker_errors(self) -> Iterator[None]:
        """Turn what litellm raises into `InvokerError`; its own exceptions may repeat the key."""
        try:
            yield
        except Exception as error:
            status = getattr(error, "status_code", None)
            text = str(getattr(error, "message", None) or error)
            if key := self._key:
                text = text.replace(key, HIDDEN)
            known = status if isinstance(status, int) else None
            raise InvokerError(known, mask_secrets(text), retry_after(error)) from None


_STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def _text_of(chunk: Any) -> str:
    choices = getattr(chunk, "choices", None)
    return (choices[0].delta.content or "") if choices else ""

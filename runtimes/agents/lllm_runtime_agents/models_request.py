"""One request through Pydantic AI's model layer; runs on the background loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import Model

from lllm.calls import current_call
from lllm_runtime_agents.dialog import Dialog
from lllm_runtime_agents.invoker import InvokeResult
from lllm_runtime_agents.models_client import ModelClients
from lllm_runtime_agents.models_errors import as_invoker_errors
from lllm_runtime_agents.models_messages import reply_message, request_messages, request_parameters
from lllm_runtime_agents.models_settings import model_settings
from lllm_runtime_agents.models_usage import usage_of
from lllm_runtime_agents.replies import read_reply
from lllm_runtime_agents.roles import APITypes

__all__ = ["ModelsRequest", "Piece"]

_TIMEOUT = 120.0

Piece = tuple[str, Any]
"""A piece of text, and the library's event that brought it."""


@dataclass(frozen=True, slots=True)
class ModelsRequest:
    """What is asked, of which model, and how its answer is read.

    Attributes:
        clients: Model objects and their connections.
        config: The invoker's config.
        dialog: The messages so far.
        model: Name of the model, or a model object.
        model_args: Temperature and the like.
        parser_args: Passed on to the prompt's parser.
        responder: Name of the agent that answers.
        api_type: Which of the provider's APIs is called.
    """

    clients: ModelClients
    config: Mapping[str, Any]
    dialog: Dialog
    model: Any
    model_args: dict[str, Any]
    parser_args: dict[str, Any] | None
    responder: str
    api_type: APITypes

    async def ask(self) -> InvokeResult:
        """Ask for the whole reply.

        Raises:
            InvokerError: The provider could not be reached or refused.
        """
        with as_invoker_errors(self.clients):
            async with self.clients.model(self.model, self.api_type) as model:
                response = await model_request(model, request_messages(self.dialog), **self._options(model))
        return self._result(response)

    async def stream(self) -> AsyncIterator[Piece | InvokeResult]:
        """Ask for the reply in pieces.

        Yields:
            The pieces, then the result.

        Raises:
            InvokerError: The provider could not be reached or refused.
        """
        with as_invoker_errors(self.clients):
            async with self.clients.model(self.model, self.api_type) as model:
                messages, options = request_messages(self.dialog), self._options(model)
                async with model_request_stream(model, messages, **options) as events:
                    async for event in events:
                        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                            yield event.part.content, event
                        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                            yield event.delta.content_delta, event
                    response = events.get()
        yield self._result(response)

    def _options(self, model: Model[Any]) -> dict[str, Any]:
        structured = _is_structured(model)
        base = self.config.get("settings") or {}
        return {
            "model_settings": model_settings(base, self.model_args, self._timeout()),
            "model_request_parameters": request_parameters(self.dialog.top_prompt, structured=structured),
        }

    def _timeout(self) -> float:
        timeout = float(self.config.get("timeout") or _TIMEOUT)
        call = current_call()
        remaining = None if call is None else call.context.remaining
        return timeout if remaining is None else max(0.001, min(timeout, remaining))

    def _result(self, response: ModelResponse) -> InvokeResult:
        usage = usage_of(response, self.config.get("prices") or {}, str(self.model))
        message, errors = reply_message(response, self.responder, self.api_type, usage)
        if not errors:
            errors = read_reply(message, self.dialog.top_prompt, self.parser_args)
        return InvokeResult(
            raw_response=response, model_args=self.model_args, execution_errors=errors, message=message
        )


def _is_structured(model: Model[Any]) -> bool:
    try:
        return bool(model.profile.get("supports_json_schema_output"))
    except NotImplementedError:
        # A model that chooses among others has no profile of its own; a schema in the instructions suits all.
        return False

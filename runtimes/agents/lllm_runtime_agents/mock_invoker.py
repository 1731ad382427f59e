"""The invoker `mock`: scripted replies, for tests and for trying out a tactic without a provider."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lllm_runtime_agents.function_call import FunctionCall
from lllm_runtime_agents.invoker import BaseInvoker, BaseStreamHandler, InvokeResult
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.replies import read_reply
from lllm_runtime_agents.roles import APITypes, Modalities, Roles

if TYPE_CHECKING:
    from lllm_runtime_agents.dialog import Dialog

__all__ = ["MockInvoker"]

_PIECE = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class _Reply:
    """One scripted turn, made definite."""

    text: str = ""
    calls: tuple[FunctionCall, ...] = ()
    error: str | None = None


class MockInvoker(BaseInvoker):
    """Answers from a script.

    An item of the script is a text; a list of tool calls (`FunctionCall` or `{"name", "arguments", "id"?}`); an
    exception, which is raised; `{"error": text}`, a reply that needs a repair; or a callable
    `(dialog, model, model_args)` that returns one of these.

    Args:
        config: `script` (items for every agent), `replies` (agent name to items, used first), `cost` (dollars a
            call, None for a model without a price), `delay` (seconds a call takes), `default` (what follows
            when the items are used up: `echo`, `raise`, or any other text as the reply).

    Attributes:
        seen: One map for each call: `agent`, `model`, `model_args`, `tools` (their names) and `messages`.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        self.seen: list[dict[str, Any]] = []
        self._script: deque[Any] = deque(self.config.get("script") or ())
        self._replies = {name: deque(items) for name, items in (self.config.get("replies") or {}).items()}
        self._cost = self.config.get("cost", 0.01)
        self._delay = float(self.config.get("delay") or 0)
        self._default = str(self.config.get("default", "echo"))
        self._lock = Lock()

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
        """Answer with the next item of the script."""
        reply = self._next(dialog, model, model_args, responder)
        if self._delay:
            time.sleep(self._delay)
        return self._answer(
            reply, dialog, model, model_args, parser_args, responder, api_type, stream_handler
        )

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
        """Answer with the next item of the script; a delay does not block the event loop."""
        reply = self._next(dialog, model, model_args, responder)
        if self._delay:
            await asyncio.sleep(self._delay)
        return self._answer(
            reply, dialog, model, model_args, parser_args, responder, api_type, stream_handler
        )

    def _next(self, dialog: Dialog, model: Any, model_args: dict[str, Any] | None, responder: str) -> Any:
        prompt = dialog.top_prompt
        seen = {
            "agent": responder,
            "model": model,
            "model_args": dict(model_args or {}),
            "tools": [] if prompt is None else list(prompt.functions),
            "messages": dialog.messages.copy(),
        }
        with self._lock:
            self.seen.append(seen)
            items = self._replies.get(responder) or self._script
            if items:
                return items.popleft()
        if self._default == "raise":
            raise RuntimeError(f"The mock's script for agent '{responder}' is used up.")
        tail = dialog.tail
        return f"echo:{'' if tail is None else tail.text}" if self._default == "echo" else self._default

    def _answer(
        self,
        item: Any,
        dialog: Dialog,
        model: Any,
        model_args: dict[str, Any] | None,
        parser_args: dict[str, Any] | None,
        responder: str,
        api_type: APITypes,
        stream_handler: BaseStreamHandler | None,
    ) -> InvokeResult:
        reply = _definite(item, dialog, model, dict(model_args or {}))
        message = Message(
            role=Roles.TOOL_CALL if reply.calls else Roles.ASSISTANT,
            content=reply.text,
            name=responder,
            function_calls=list(reply.calls),
            modality=Modalities.FUNCTION_CALL if reply.calls else Modalities.TEXT,
            model=str(model),
            usage={
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "response_cost": self._cost,
            },
            api_type=api_type,
        )
        if stream_handler is not None:
            for piece in _PIECE.findall(reply.text):
                stream_handler.handle_chunk(piece, piece)
        errors: list[Any] = [reply.error] if reply.error is not None else []
        errors += read_reply(message, dialog.top_prompt, parser_args) if not errors else []
        return InvokeResult(
            raw_response=None, model_args=dict(model_args or {}), execution_errors=errors, message=message
        )


def _definite(item: Any, dialog: Dialog, model: Any, model_args: dict[str, Any]) -> _Reply:
    if isinstance(item, str):
        return _Reply(text=item)
    if isinstance(item, BaseException) or (isinstance(item, type) and issubclass(item, BaseException)):
        raise item
    if callable(item):
        return _definite(item(dialog, model, model_args), dialog, model, model_args)
    if isinstance(item, Mapping) and "error" in item:
        return _Reply(text=str(item["error"]), error=str(item["error"]))
    if isinstance(item, Mapping) and "name" in item:
        item = [item]
    if isinstance(item, (list, tuple)):
        return _Reply(calls=tuple(_tool_call(call) for call in item))
    raise TypeError(
        f"An item of the mock's script must be a text, a list of tool calls, an exception, "
        f"{{'error': text}} or a callable, got {type(item).__name__}."
    )


def _tool_call(call: Any) -> FunctionCall:
    if isinstance(call, FunctionCall):
        return call.model_copy()
    fields = {"id": f"call_{uuid4().hex[:12]}", **call}
    return FunctionCall(**fields)

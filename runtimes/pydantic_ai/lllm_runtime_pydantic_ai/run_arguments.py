"""The keyword arguments of one run: what the user gave, and what the call adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_ai.capabilities import ProcessEventStream

from lllm.calls import current_call
from lllm.context import CallContext
from lllm_runtime_pydantic_ai.agent_facts import Accepted
from lllm_runtime_pydantic_ai.config import PydanticAITacticConfig, copied_containers
from lllm_runtime_pydantic_ai.run_metadata import run_metadata

__all__ = ["add_identity", "given_arguments", "keep_handler"]


def given_arguments(
    config: PydanticAITacticConfig,
    kwargs: Mapping[str, Any],
    context: CallContext,
    accepted: Accepted,
    *,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the arguments from the config and the call, with the metadata of the context.

    Args:
        config: Its `run_kwargs` come first, its `include_context_metadata` decides about the metadata.
        kwargs: Keyword arguments of the call; they win.
        context: The context of the call.
        accepted: What the agent's method takes.
        metadata: What the metadata has beside that of the context.
    """
    arguments: dict[str, Any] = {**copied_containers(config.run_kwargs), **kwargs}
    if config.include_context_metadata and "metadata" not in arguments and "metadata" in accepted:
        arguments["metadata"] = run_metadata(context, metadata or {})
    return arguments


def add_identity(arguments: dict[str, Any], accepted: Accepted) -> None:
    """Say which conversation a run belongs to: the session of the call, unless it continues another one.

    Args:
        arguments: Arguments of the run; changed in place.
        accepted: What the agent's method takes.
    """
    if "infer_name" in accepted:
        # The library would name the agent after a variable in the frame that runs it, which is ours.
        arguments.setdefault("infer_name", False)
    continued = any(arguments.get(name) for name in ("conversation_id", "conversation", "message_history"))
    call = current_call()
    if call is not None and not continued and "conversation_id" in accepted:
        arguments["conversation_id"] = call.session.session_id


def keep_handler(arguments: dict[str, Any], accepted: Accepted) -> None:
    """Let an `event_stream_handler` hear a run that streams as well, which takes it in another form.

    Args:
        arguments: Arguments of the run; changed in place.
        accepted: What the agent's method takes.
    """
    if "event_stream_handler" not in arguments or "event_stream_handler" in accepted:
        return
    handler = arguments.pop("event_stream_handler")
    if handler is not None:
        arguments["capabilities"] = [*(arguments.get("capabilities") or ()), ProcessEventStream(handler)]

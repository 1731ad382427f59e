"""`BaseInvoker`: what stands between the call loop and a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lllm.background import run_in_thread
from lllm.error_text import error_text
from lllm.session import InvokeCost
from lllm_runtime_agents.roles import APITypes

if TYPE_CHECKING:
    from lllm_runtime_agents.dialog import Dialog
    from lllm_runtime_agents.message import Message

__all__ = ["BaseInvoker", "BaseStreamHandler", "InvokeResult", "InvokerBuilder"]


@dataclass(slots=True)
class InvokeResult:
    """What came of one invocation.

    Attributes:
        raw_response: The provider's own object.
        model_args: The arguments the model was called with.
        execution_errors: What is wrong with the reply: parse failures, malformed tool arguments.
        message: The reply.
    """

    raw_response: Any = None
    model_args: dict[str, Any] = field(default_factory=dict)
    execution_errors: list[Any] = field(default_factory=list)
    message: Message | None = None

    @property
    def has_errors(self) -> bool:
        """Whether the reply needs a repair."""
        return bool(self.execution_errors)

    @property
    def cost(self) -> InvokeCost:
        """Tokens and dollars, zero without a message."""
        return InvokeCost() if self.message is None else self.message.cost

    @property
    def error_message(self) -> str:
        """The errors, one a line."""
        return "\n".join(
            error_text(error) if isinstance(error, BaseException) else str(error)
            for error in self.execution_errors
        )


class BaseStreamHandler(ABC):
    """Receives a reply piece by piece while the model writes it."""

    @abstractmethod
    def handle_chunk(self, chunk_content: str, chunk_response: Any) -> None:
        """Take one piece.

        Args:
            chunk_content: The text of the piece.
            chunk_response: The provider's own object for it.
        """


class BaseInvoker(ABC):
    """Asks a model for one reply.

    An invoker reads `dialog.top_prompt` for tools, format and parser. What is wrong with a reply belongs into
    `execution_errors`; what is wrong with the provider is raised.

    Args:
        config: The `invoker_config` of a tactic's config.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = dict(config or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abstractmethod
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
        """Ask the model to continue a dialog.

        Args:
            dialog: The messages so far, and the active prompt in `top_prompt`.
            model: Name of the model, or whatever object the invoker takes for one.
            model_args: Temperature and the like.
            parser_args: Passed on to the prompt's parser.
            responder: Name of the agent that answers.
            metadata: Anything else about the request; it also goes onto the message.
            api_type: Which of the provider's APIs is called.
            stream_handler: Receives the reply piece by piece.

        Raises:
            InvokerError: The provider could not be reached or refused.
        """

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
        """Ask the model without blocking the event loop; by default `call` in a worker thread.

        Args:
            dialog: See `call`.
            model: See `call`.
            model_args: See `call`.
            parser_args: See `call`.
            responder: See `call`.
            metadata: See `call`.
            api_type: See `call`.
            stream_handler: See `call`.
        """
        call = partial(
            self.call,
            dialog,
            model,
            model_args=model_args,
            parser_args=parser_args,
            responder=responder,
            metadata=metadata,
            api_type=api_type,
            stream_handler=stream_handler,
        )
        return await run_in_thread(call)


InvokerBuilder = Callable[[dict[str, Any]], BaseInvoker]
"""Makes an invoker of its config; a `BaseInvoker` class is one."""

"""What one agent did during one call: every invocation of a model, every repair, repeat and tool call, by step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lllm.assembly import assembled
from lllm.cost import InvokeCost, total_cost
from lllm.error_text import typed_error_text

__all__ = ["AgentCallSession", "InvokeTrace"]


def _revived(name: str, marker: str) -> BeforeValidator:
    """Read a stored map back into the runtime's own model when that runtime is installed."""

    def revive(value: Any) -> Any:
        if not (isinstance(value, dict) and marker in value):
            return value
        import lllm

        try:
            model = getattr(lllm, name)
        except ImportError:
            return value
        return model.model_validate(value)

    return BeforeValidator(revive)


StoredMessage = Annotated[Any, _revived("Message", "role")]
StoredFunctionCall = Annotated[Any, _revived("FunctionCall", "arguments")]


class InvokeTrace(BaseModel):
    """One invocation of a model inside an agent call, failed tries included.

    Attributes:
        model: Name of the model, when known.
        model_args: The arguments the model was called with.
        execution_errors: What was wrong with the reply, as texts.
        message: The reply, in the runtime's own message type.
        cost: Tokens and dollars.
        calls: How many model calls this stands for; more than one for the total of a remote call.
        unpriced: How many of them have no known price.
        metadata: What the runtime adds.
        raw_response: The provider's own object; kept in memory only, never dumped.
    """

    model_config = ConfigDict(defer_build=True, protected_namespaces=())

    model: str | None = None
    model_args: dict[str, Any] = Field(default_factory=dict)
    execution_errors: list[str] = Field(default_factory=list)
    message: StoredMessage = None
    cost: InvokeCost = Field(default_factory=InvokeCost)
    calls: int = 1
    unpriced: int = 0
    metadata: dict[str, Any] = Field(default_factory=dict)
    raw_response: Any = Field(default=None, exclude=True, repr=False)


AgentState = Literal["initial", "exception", "interrupt", "llm_recall", "success", "failure"]


class AgentCallSession(BaseModel):
    """One `respond()` of an agent: every invocation, retry and tool interrupt, by step.

    Attributes:
        agent_name: Name of the agent, or of whatever used a model.
        max_exception_retry: How many repairs of a bad reply were allowed.
        max_interrupt_steps: How many steps with tool calls were allowed.
        max_llm_recall: How many repeats after a provider error were allowed.
        exception_retries: Step to the texts of what was wrong with replies.
        interrupts: Step to the lists of tool calls.
        llm_recalls: Step to the texts of provider errors.
        invoke_traces: Step to the invocations.
        delivery: The final message.
        state: Where the call stands.
        error: Why it failed, as `Type: message`.
    """

    model_config = ConfigDict(defer_build=True)

    agent_name: str
    max_exception_retry: int = 0
    max_interrupt_steps: int = 0
    max_llm_recall: int = 0
    exception_retries: dict[int, list[str]] = Field(default_factory=dict)
    interrupts: dict[int, list[list[StoredFunctionCall]]] = Field(default_factory=dict)
    llm_recalls: dict[int, list[str]] = Field(default_factory=dict)
    invoke_traces: dict[int, list[InvokeTrace]] = Field(default_factory=dict)
    delivery: StoredMessage = None
    state: AgentState = "initial"
    error: str | None = None

    @classmethod
    def begun(
        cls, agent_name: str, max_exception_retry: int, max_interrupt_steps: int, max_llm_recall: int
    ) -> Self:
        """Return the record of an agent call that begins.

        Args:
            agent_name: Name of the agent.
            max_exception_retry: How many repairs are allowed.
            max_interrupt_steps: How many steps with tool calls are allowed.
            max_llm_recall: How many repeats after a provider error are allowed.
        """
        fields = {
            "agent_name": agent_name,
            "max_exception_retry": max_exception_retry,
            "max_interrupt_steps": max_interrupt_steps,
            "max_llm_recall": max_llm_recall,
            "exception_retries": {},
            "interrupts": {},
            "llm_recalls": {},
            "invoke_traces": {},
            "delivery": None,
            "state": "initial",
            "error": None,
        }
        return assembled(cls, fields)

    @property
    def traces(self) -> list[InvokeTrace]:
        """Every invocation in order."""
        return [trace for step in sorted(self.invoke_traces) for trace in self.invoke_traces[step]]

    @property
    def exception_retries_count(self) -> int:
        """How many repairs were asked for."""
        return sum(len(items) for items in self.exception_retries.values())

    @property
    def llm_recalls_count(self) -> int:
        """How many times a provider error led to a repeat."""
        return sum(len(items) for items in self.llm_recalls.values())

    @property
    def reach_max_exception_retry(self) -> bool:
        """Whether no repair is left."""
        return self.exception_retries_count >= self.max_exception_retry

    @property
    def reach_max_llm_recall(self) -> bool:
        """Whether no repeat is left."""
        return self.llm_recalls_count >= self.max_llm_recall

    @property
    def reach_max_interrupt_steps(self) -> bool:
        """Whether no further step with tool calls is allowed."""
        return len(self.interrupts) >= self.max_interrupt_steps

    @property
    def cost(self) -> InvokeCost:
        """Tokens and dollars of all invocations, failed ones included."""
        return total_cost(trace.cost for trace in self.traces)

    def new_invoke_trace(self, result: Any, step: int) -> InvokeTrace:
        """Record one invocation.

        Args:
            result: An `InvokeTrace`, or an object with `message`, `model_args`, `execution_errors`, `cost` and
                `raw_response` as invokers return it.
            step: Step of the call loop, from 0.
        """
        trace = result if isinstance(result, InvokeTrace) else _trace_of(result)
        self.invoke_traces.setdefault(step, []).append(trace)
        return trace

    def exception(self, error: object, step: int) -> None:
        """Record that a reply was bad and a repair is tried.

        Args:
            error: The exception, or its text.
            step: Step of the call loop.
        """
        self.state = "exception"
        self.exception_retries.setdefault(step, []).append(typed_error_text(error))

    def interrupt(self, calls: Iterable[Any], step: int) -> None:
        """Record that the model asked for tools.

        Args:
            calls: The tool calls of one reply.
            step: Step of the call loop.
        """
        self.state = "interrupt"
        self.interrupts.setdefault(step, []).append(list(calls))

    def llm_recall(self, error: object, step: int) -> None:
        """Record that the provider failed and the model is asked again.

        Args:
            error: The exception, or its text.
            step: Step of the call loop.
        """
        self.state = "llm_recall"
        self.llm_recalls.setdefault(step, []).append(typed_error_text(error))

    def success(self, message: Any) -> None:
        """End with the final message."""
        self.__dict__.update(state="success", delivery=message)

    def failure(self, error: object = None) -> None:
        """End without a message.

        Args:
            error: The exception, or its text.
        """
        self.state = "failure"
        if error is not None:
            self.error = typed_error_text(error)


def _trace_of(result: Any) -> InvokeTrace:
    message = getattr(result, "message", None)
    priced = message is None or bool(getattr(message, "priced", False))
    fields = {
        "model": getattr(message, "model", None),
        "model_args": dict(getattr(result, "model_args", None) or {}),
        "execution_errors": [str(error) for error in getattr(result, "execution_errors", ())],
        "message": message,
        "cost": getattr(result, "cost", None) or InvokeCost(),
        "calls": 1,
        "unpriced": 0 if priced else 1,
        "metadata": {},
        "raw_response": getattr(result, "raw_response", None),
    }
    return assembled(InvokeTrace, fields)

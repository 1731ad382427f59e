"""`Agent`: a model with a system prompt, its dialogs, and the way it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from lllm.background import iterate_async
from lllm.calls import Call, current_call
from lllm.session import AgentCallSession
from lllm_runtime_agents.call_loop import AgentCall
from lllm_runtime_agents.dialog_owner import DialogOwner
from lllm_runtime_agents.drivers import run, run_async, run_stream
from lllm_runtime_agents.function import Function
from lllm_runtime_agents.invoker import BaseInvoker, BaseStreamHandler
from lllm_runtime_agents.listening import heard_by
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.roles import APITypes

if TYPE_CHECKING:
    from lllm_runtime_agents.context_manager import ContextManager

__all__ = ["Agent", "_TrackedAgent"]


@dataclass(eq=False, kw_only=True, repr=False)
class Agent(DialogOwner):
    """A model with a system prompt. It owns dialogs by alias; one of them is active.

    Attributes:
        name: Name of the agent.
        system_prompt: The prompt each dialog begins with; a text is read as an inline prompt.
        model: Name of the model, or an object that the invoker takes for one.
        llm_invoker: Asks the model.
        stream_handler: Receives replies piece by piece.
        api_type: Which of the provider's APIs is called.
        model_args: Temperature and the like.
        max_exception_retry: How many repairs of bad replies one `respond()` allows.
        max_interrupt_steps: How many steps with tools it allows; 0 for as many as 100.
        max_llm_recall: How many repeats after provider errors it allows.
        context_manager: Shortens a dialog before the model sees it.
        runtime: The registry in which prompts are looked up; the default one when None.
        tools: Tools that are offered beside those of the active prompt.
        parallel_tools: Whether the tools of one turn run side by side.
        tool_timeout: Seconds that one use of a tool may take, unless the tool says otherwise; None for no limit.
        rate_limit_retries: How many repeats one `respond()` allows after rate limits.
        rate_limit_max_wait: How many seconds it waits for them in total.
        max_cost_usd: Dollars that the session around the agent may cost, or None.
    """

    model: Any
    llm_invoker: BaseInvoker
    stream_handler: BaseStreamHandler | None = None
    api_type: APITypes = APITypes.COMPLETION
    model_args: dict[str, Any] = field(default_factory=dict)
    max_exception_retry: int = 3
    max_interrupt_steps: int = 5
    max_llm_recall: int = 0
    context_manager: ContextManager | None = None
    tools: list[Function] = field(default_factory=list)
    parallel_tools: bool = False
    tool_timeout: float | None = None
    rate_limit_retries: int = 5
    rate_limit_max_wait: float = 120.0
    max_cost_usd: float | None = None

    def __repr__(self) -> str:
        return f"Agent(name={self.name!r}, model={self.model!r}, dialogs={sorted(self._dialogs)})"

    @overload
    def respond(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
        return_session: Literal[False] = False,
    ) -> Message: ...

    @overload
    def respond(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
        *,
        return_session: Literal[True],
    ) -> AgentCallSession: ...

    def respond(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
        return_session: bool = False,
    ) -> Message | AgentCallSession:
        """Let the model continue a dialog, running tools and repairing bad replies on the way.

        Args:
            alias: Name of the dialog; the active one when None.
            metadata: Goes to the invoker and onto the reply.
            args: Model arguments of this call; they go over the agent's own.
            parser_args: Passed on to the prompt's parser.
            return_session: Whether the record of the call is returned instead of the message.

        Raises:
            AgentException: The replies stayed malformed.
            BudgetExceeded: The session has cost too much.
            ValueError: The model still asks for tools after the last allowed step.
        """
        call = self._begin(alias, metadata, args, parser_args)
        message = run(call)
        return call.session if return_session else message

    @overload
    async def arespond(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
        return_session: Literal[False] = False,
    ) -> Message: ...

    @overload
    async def arespond(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
        *,
        return_session: Literal[True],
    ) -> AgentCallSession: ...

    async def arespond(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
        return_session: bool = False,
    ) -> Message | AgentCallSession:
        """Let the model continue a dialog without blocking the event loop; see `respond`.

        Args:
            alias: See `respond`.
            metadata: See `respond`.
            args: See `respond`.
            parser_args: See `respond`.
            return_session: See `respond`.
        """
        call = self._begin(alias, metadata, args, parser_args)
        message = await run_async(call)
        return call.session if return_session else message

    def stream(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
    ) -> Generator[str | Message, None, None]:
        """Let the model continue a dialog and yield pieces of text, then the message; see `respond`.

        Args:
            alias: See `respond`.
            metadata: See `respond`.
            args: See `respond`.
            parser_args: See `respond`.
        """
        call = self._begin(alias, metadata, args, parser_args)
        return iterate_async(lambda: run_stream(call))

    def astream(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[str | Message]:
        """Let the model continue a dialog and yield pieces of text, then the message; see `respond`.

        Args:
            alias: See `respond`.
            metadata: See `respond`.
            args: See `respond`.
            parser_args: See `respond`.
        """
        return run_stream(self._begin(alias, metadata, args, parser_args))

    def _begin(
        self,
        alias: str | None,
        metadata: Mapping[str, Any] | None,
        args: Mapping[str, Any] | None,
        parser_args: Mapping[str, Any] | None,
    ) -> AgentCall:
        dialog = self._dialog(alias)
        session = AgentCallSession.begun(
            self.name, self.max_exception_retry, self.max_interrupt_steps, self.max_llm_recall
        )
        around = self._around()
        if around is not None:
            around.session.record_agent_call(self.name, session)
        return AgentCall(
            agent=self,
            dialog=dialog,
            session=session,
            args=dict(args or {}),
            metadata=dict(metadata or {}),
            parser_args=dict(parser_args or {}),
            stream_handler=heard_by(around, self.name, self.stream_handler),
            call=around,
        )

    def _around(self) -> Call | None:
        """Return the tactic call that pays for this agent."""
        return current_call()


class _TrackedAgent(Agent):
    """An agent of one tactic call: whatever thread it answers in, that call pays for it."""

    _call: Call

    @classmethod
    def of_call(cls, agent: Agent, call: Call) -> Self:
        """Return a fresh copy of an agent, without dialogs, that belongs to a call.

        Args:
            agent: The agent as the tactic's config describes it.
            call: The call that begins.
        """
        # Built for every call of a tactic: copying the fields costs a third of running the constructor.
        tracked = cls.__new__(cls)
        fields = tracked.__dict__
        fields.update(agent.__dict__)
        fields["model_args"] = dict(agent.model_args)
        fields["tools"] = list(agent.tools)
        fields["_dialogs"] = {}
        fields["active_alias"] = None
        fields["_call"] = call
        return tracked

    def _around(self) -> Call:
        return self._call

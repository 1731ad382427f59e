"""`Agent`: a model with a system prompt, its dialogs, and the way it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from lllm.background import iterate_async
from lllm.calls import Call, current_call
from lllm.session import AgentCallSession
from lllm_runtime_agents.call_loop import AgentCall
from lllm_runtime_agents.dialog import Dialog
from lllm_runtime_agents.drivers import run, run_async, run_stream
from lllm_runtime_agents.function import Function
from lllm_runtime_agents.invoker import BaseInvoker, BaseStreamHandler
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.prompt import Prompt, inline_prompt
from lllm_runtime_agents.registry import ResourceRegistry
from lllm_runtime_agents.roles import APITypes, Roles

if TYPE_CHECKING:
    from lllm_runtime_agents.context_manager import ContextManager

__all__ = ["Agent", "_TrackedAgent"]


@dataclass(eq=False, kw_only=True)
class Agent:
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
        rate_limit_retries: How many repeats one `respond()` allows after rate limits.
        rate_limit_max_wait: How many seconds it waits for them in total.
        max_cost_usd: Dollars that the session around the agent may cost, or None.
    """

    name: str
    system_prompt: Prompt
    model: Any
    llm_invoker: BaseInvoker = field(repr=False)
    stream_handler: BaseStreamHandler | None = field(default=None, repr=False)
    api_type: APITypes = APITypes.COMPLETION
    model_args: dict[str, Any] = field(default_factory=dict, repr=False)
    max_exception_retry: int = 3
    max_interrupt_steps: int = 5
    max_llm_recall: int = 0
    context_manager: ContextManager | None = field(default=None, repr=False)
    runtime: ResourceRegistry | None = field(default=None, repr=False)
    tools: list[Function] = field(default_factory=list, repr=False)
    parallel_tools: bool = False
    rate_limit_retries: int = 5
    rate_limit_max_wait: float = 120.0
    max_cost_usd: float | None = None
    active_alias: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if isinstance(self.system_prompt, str):
            self.system_prompt = inline_prompt(self.system_prompt, f"{self.name}/system_prompt")
        self._dialogs: dict[str, Dialog] = {}

    @property
    def dialogs(self) -> dict[str, Dialog]:
        """A snapshot of the dialogs by alias."""
        return dict(self._dialogs)

    @property
    def current_dialog(self) -> Dialog:
        """The active dialog.

        Raises:
            RuntimeError: No dialog is active.
        """
        return self._dialog(None)

    def open(
        self,
        alias: str,
        prompt_args: Mapping[str, Any] | None = None,
        session_name: str | None = None,
        switch: bool = True,
    ) -> Self:
        """Begin a dialog with the system prompt.

        Args:
            alias: Name of the dialog within the agent.
            prompt_args: Values of the system prompt's variables.
            session_name: Name for people; by default `<agent>_<alias>`.
            switch: Whether it becomes the active dialog.

        Raises:
            ValueError: The alias is in use, or a variable is missing.
        """
        if alias in self._dialogs:
            raise ValueError(
                f"Dialog '{alias}' already exists on agent '{self.name}'. "
                f"Use .fork('{alias}', ...) to branch from it or .close('{alias}') first."
            )
        dialog = Dialog(session_name or f"{self.name}_{alias}", None, self.runtime, self.name)
        dialog.put_prompt(self.system_prompt, prompt_args, name="system", role=Roles.SYSTEM)
        self._dialogs[alias] = dialog
        if switch:
            self.active_alias = alias
        return self

    def fork(
        self, alias: str, child_alias: str, last_n: int = 0, first_k: int = 1, switch: bool = True
    ) -> Self:
        """Branch a dialog off another.

        Args:
            alias: The dialog to branch from.
            child_alias: Name of the new one.
            last_n: How many messages from the tail are taken over; 0 for all.
            first_k: How many from the head are taken over with them.
            switch: Whether the new one becomes the active dialog.

        Raises:
            KeyError: There is no dialog `alias`.
            ValueError: `child_alias` is in use, or a number is negative.
        """
        source = self._dialog(alias)
        if child_alias in self._dialogs:
            raise ValueError(f"Dialog '{child_alias}' already exists on agent '{self.name}'.")
        self._dialogs[child_alias] = source.fork(last_n=last_n, first_k=first_k)
        if switch:
            self.active_alias = child_alias
        return self

    def close(self, alias: str) -> Dialog:
        """Take a dialog out of the agent and return it.

        Args:
            alias: Name of the dialog.

        Raises:
            KeyError: There is no such dialog.
        """
        dialog = self._dialog(alias)
        del self._dialogs[alias]
        if self.active_alias == alias:
            self.active_alias = None
        return dialog

    def switch(self, alias: str) -> Self:
        """Make another dialog the active one.

        Args:
            alias: Name of the dialog.

        Raises:
            KeyError: There is no such dialog.
        """
        self._dialog(alias)
        self.active_alias = alias
        return self

    def receive(
        self,
        text: str,
        alias: str | None = None,
        role: Roles = Roles.USER,
        name: str = "user",
        *,
        bare: bool = False,
    ) -> Message:
        """Add a plain text to a dialog; the active prompt keeps its tools, parser and format.

        Args:
            text: The text; braces stand for themselves.
            alias: Name of the dialog; the active one when None.
            role: Who it comes from.
            name: Name of the sender.
            bare: Whether the active prompt is dropped.
        """
        return self._dialog(alias).put_text(text, name=name, role=role, bare=bare)

    def receive_prompt(
        self,
        prompt: Prompt | str,
        prompt_args: Mapping[str, Any] | None = None,
        alias: str | None = None,
        role: Roles = Roles.USER,
        name: str = "user",
    ) -> Message:
        """Render a prompt into a dialog and make it the active prompt.

        Args:
            prompt: The prompt, or its path in the registry.
            prompt_args: Values of its variables.
            alias: Name of the dialog; the active one when None.
            role: Who it comes from.
            name: Name of the sender.
        """
        return self._dialog(alias).put_prompt(prompt, prompt_args, name=name, role=role)

    def receive_image(
        self,
        image: Any,
        caption: str | None = None,
        alias: str | None = None,
        role: Roles = Roles.USER,
        name: str = "user",
    ) -> Message:
        """Add an image to a dialog.

        Args:
            image: Path of a file, a PIL image, or base64 text.
            caption: A text that goes with it.
            alias: Name of the dialog; the active one when None.
            role: Who it comes from.
            name: Name of the sender.
        """
        return self._dialog(alias).put_image(image, caption, name=name, role=role)

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

    async def arespond(
        self,
        alias: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: Mapping[str, Any] | None = None,
        parser_args: Mapping[str, Any] | None = None,
        return_session: bool = False,
    ) -> Any:
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
            stream_handler=self.stream_handler,
            call=around,
        )

    def _around(self) -> Call | None:
        """Return the tactic call that pays for this agent."""
        return current_call()

    def _dialog(self, alias: str | None) -> Dialog:
        if alias is None:
            if self.active_alias is None:
                raise RuntimeError(
                    f"Agent '{self.name}' has no active dialog. Call .open(alias) or .switch(alias) first."
                )
            alias = self.active_alias
        try:
            return self._dialogs[alias]
        except KeyError:
            raise KeyError(
                f"No dialog '{alias}' on agent '{self.name}'. Available: {sorted(self._dialogs)}"
            ) from None


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

"""The call loop of an agent, as a generator that asks its driver for every effect.

One loop serves synchronous, asynchronous and streaming callers: it decides what happens, and a driver
(`lllm_runtime_agents.drivers`) does it in the caller's way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from lllm.errors import BudgetExceeded, DeadlineExceeded
from lllm.secrets import mask_secrets
from lllm_runtime_agents.errors import AgentException
from lllm_runtime_agents.function import Function
from lllm_runtime_agents.function_call import FunctionCall
from lllm_runtime_agents.invoker import BaseStreamHandler, InvokeResult
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.observers import tell
from lllm_runtime_agents.rate_limit import is_rate_limit, wait_before
from lllm_runtime_agents.redaction import redact
from lllm_runtime_agents.roles import Roles

if TYPE_CHECKING:
    from lllm.calls import Call
    from lllm.session import AgentCallSession
    from lllm_runtime_agents.agent import Agent
    from lllm_runtime_agents.dialog import Dialog
    from lllm_runtime_agents.prompt import Prompt

__all__ = ["AgentCall", "AskModel", "Effect", "UseTools", "Wait"]

logger = logging.getLogger("lllm.agents")

_STEP_CAP = 100
"""How many steps with tools an agent may take when its own limit is 0."""

_RECALL_WAIT = 1.0
"""Seconds before a model is asked again after a provider error."""


@dataclass(frozen=True, slots=True)
class AskModel:
    """Invoke the model; the answer is an `InvokeResult`."""

    dialog: Dialog


@dataclass(frozen=True, slots=True)
class UseTools:
    """Run tools and fill in their calls; the answer is ignored."""

    uses: tuple[tuple[Function, FunctionCall], ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass; the answer is ignored."""

    seconds: float


Effect = AskModel | UseTools | Wait
Steps = Generator[Effect, Any, Message]


@dataclass(slots=True)
class AgentCall:
    """One `respond()`: the dialog, what was asked for, and what happened so far.

    Attributes:
        agent: The agent that answers.
        dialog: The canonical dialog; only good messages reach it.
        session: Record of what happens.
        args: Model arguments of this call.
        metadata: Goes to the invoker and onto the reply.
        parser_args: Passed on to the parser.
        stream_handler: Receives the reply piece by piece.
        call: The tactic call around this one, if any.
    """

    agent: Agent
    dialog: Dialog
    session: AgentCallSession
    args: dict[str, Any]
    metadata: dict[str, Any]
    parser_args: dict[str, Any]
    stream_handler: BaseStreamHandler | None
    call: Call | None
    _executed: list[FunctionCall] = field(default_factory=list)
    _retries: int = 0
    _waited: float = 0.0

    def steps(self) -> Steps:
        """Run the loop; every exception that leaves it carries the session as `agent_session`.

        Yields:
            The effects that the driver performs.

        Returns:
            The final message.
        """
        try:
            message = yield from self._run()
        except BaseException as error:
            self.session.failure(error)
            with suppress(AttributeError, TypeError):
                error.agent_session = self.session  # type: ignore[attr-defined]
            raise
        finally:
            tell("on_agent_call", self.agent.name, self.session)
        return message

    def _run(self) -> Steps:
        prompt = (self.dialog.top_prompt or self.agent.system_prompt).with_functions(self.agent.tools)
        active = prompt
        limit = self.agent.max_interrupt_steps or _STEP_CAP
        for step in range(limit + 1):
            message = yield from self._reply(self._view(active), step)
            self.dialog.append(message)
            if not message.function_calls:
                self.session.success(message)
                return message
            self.session.interrupt(message.function_calls, step)
            yield from self._answer_calls(message.function_calls, active.functions)
            self._append_results(message.function_calls, prompt)
            if step + 1 == limit:
                active = prompt.on_interrupt_final(self.session)
                self.dialog.append(_rendered(active, {}, Roles.USER, "user"))
        raise ValueError(
            f"Failed to call the agent '{self.agent.name}': it still asks for tools after {limit} steps with tools."
        )

    def _view(self, prompt: Prompt) -> Dialog:
        view = self.dialog.working_view()
        view.top_prompt = prompt
        manager = self.agent.context_manager
        return view if manager is None else manager(view)

    def _reply(self, view: Dialog, step: int) -> Steps:
        """Ask until the reply is good, within the budget for repairs."""
        session = self.session
        while True:
            result = yield from self._invoke(view, step)
            result.model_args = redact(result.model_args)
            session.new_invoke_trace(result, step)
            message: Message | None = result.message
            if message is None and not result.has_errors:
                result.execution_errors = ["The model returned no message"]
            if message is not None and not result.has_errors:
                if self.metadata:
                    message.metadata.update(self.metadata)
                return message
            if session.reach_max_exception_retry:
                raise AgentException(result.error_message)
            session.exception(mask_secrets(result.error_message), step)
            if message is not None:
                view.append(_without_calls(message))
            repair = (view.top_prompt or self.agent.system_prompt).on_exception(session)
            view.append(_rendered(repair, {"error_message": result.error_message}, Roles.USER, "exception"))
            view.top_prompt = repair

    def _invoke(self, view: Dialog, step: int) -> Generator[Effect, Any, InvokeResult]:
        """Ask the model once, again after rate limits and provider errors as far as that is allowed."""
        while True:
            self._check()
            try:
                result: InvokeResult = yield AskModel(view)
                return result
            except Exception as error:
                wait = self._wait_after(error, step)
                if wait is None:
                    raise
            yield Wait(wait)

    def _wait_after(self, error: Exception, step: int) -> float | None:
        """Return the seconds to wait before another try, or None when the error stands."""
        if is_rate_limit(error):
            wait = wait_before(error, self._retries)
            self._retries += 1
            self._waited += wait
            if self._retries > self.agent.rate_limit_retries or self._waited > self.agent.rate_limit_max_wait:
                return None
            logger.info("agent %r waits %.1f s for its rate limit", self.agent.name, wait)
            return wait
        if self.session.reach_max_llm_recall:
            return None
        self.session.llm_recall(mask_secrets(f"{type(error).__name__}: {error}"), step)
        return _RECALL_WAIT

    def _answer_calls(
        self, calls: list[FunctionCall], functions: Mapping[str, Function]
    ) -> Generator[Effect, Any, None]:
        """Give every call a result: run the tool, or say why it was not run."""
        uses: list[tuple[Function, FunctionCall]] = []
        for call in calls:
            function = functions.get(call.name)
            if function is None:
                call.error_message = f"unknown tool '{call.name}'. Available: {sorted(functions)}"
                call.result_str = f"Error: {call.error_message}"
            elif call.is_repeated(self._executed):
                call.result_str = (
                    f"The function {call.name} with identical arguments {call.arguments} has been called earlier, "
                    f"see its result above. Do not call it again."
                )
            else:
                self._executed.append(call)
                uses.append((function, call))
        side_by_side = self.agent.parallel_tools and len(uses) > 1
        for turn in [tuple(uses)] if side_by_side else [(use,) for use in uses]:
            self._check()
            yield UseTools(turn)
            for _, call in turn:
                tell("on_tool", self.agent.name, call)

    def _append_results(self, calls: list[FunctionCall], prompt: Prompt) -> None:
        interrupt = prompt.on_interrupt(self.session)
        for call in calls:
            message = _rendered(interrupt, {"call_results": call.result_str or ""}, Roles.TOOL, call.name)
            message.metadata["tool_call_id"] = call.id
            self.dialog.append(message)

    def _check(self) -> None:
        """Stop when nobody waits for the result any more, or when it has become too expensive."""
        call = self.call
        if call is None:
            return
        if call.cancelled:
            if call.deadline is not None and monotonic() >= call.deadline:
                raise DeadlineExceeded("The deadline of the call has passed.")
            raise asyncio.CancelledError("The call was cancelled.")
        _check_budget(call, self.agent.max_cost_usd)
        payer: Call | None = call
        while payer is not None:
            _check_budget(payer, getattr(payer.tactic, "_max_cost_usd", None))
            payer = payer.parent


def _check_budget(call: Call, limit: float | None) -> None:
    if limit is not None and (spent := call.session.total_cost.cost) >= limit:
        raise BudgetExceeded(f"The session has spent ${spent:.6f} of `max_cost_usd` = {limit:g}.")


def _rendered(prompt: Prompt, values: dict[str, Any], role: Roles, name: str) -> Message:
    return Message.said(role, prompt(**values), name)


def _without_calls(message: Message) -> Message:
    """Make a bad reply fit for the next request: a tool call that nobody answers would be refused."""
    if not message.function_calls:
        return message
    text = message.text or "\n".join(str(call) for call in message.function_calls)
    return message.model_copy(update={"role": Roles.ASSISTANT, "content": text, "function_calls": []})

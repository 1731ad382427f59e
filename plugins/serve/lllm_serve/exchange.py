"""One request to a tactic, from its first byte to its answer: what can end it early and what it then says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from lllm import CallContext, DeadlineExceeded, SchemaError
from lllm_serve.access_log import log_failure
from lllm_serve.body import CallerGone, read_body, too_large
from lllm_serve.deadlines import deadline_of
from lllm_serve.failures import Failure, Refusal
from lllm_serve.hosts import is_local
from lllm_serve.late_watch import LATE_SECONDS
from lllm_serve.observation import observation_of
from lllm_serve.replies import Reply, failure_reply
from lllm_serve.request_body import ParsedBody, claims_json, forced_form
from lllm_serve.request_context import context_of, given_request_id
from lllm_serve.request_state import state_of
from lllm_serve.served import Served
from lllm_serve.tactic_failures import failure_from

if TYPE_CHECKING:
    from lllm_serve.service import Service

__all__ = ["OFF_LOOP_BYTES", "Exchange"]

_DEAF_SECONDS = 1.0
"""How long cancelled work may go on before its caller is answered without it."""

OFF_LOOP_BYTES = 262_144
"""Bodies of this size and more are decoded and encoded in a thread, where others can be served in between."""


class Exchange:
    """One request to a tactic.

    It runs in the task of the request. Whatever must end it early (the caller has left, the time is up, the service
    stops) calls `abort`, which cancels that task; `serve` then answers with what `abort` was given.

    Args:
        service: The service.
        served: The tactic.
        endpoint: `run`, `stream` or the name of a custom endpoint.
        scope: ASGI scope.
        receive: ASGI function of the request.
        send: ASGI function of the request.

    Attributes:
        state: The notes on the request.
        parsed: What the body said, once it is read.
        context: The context of the call, once the body is read.
        observation: What the request asks to be watched, or None.
    """

    __slots__ = (
        "_aborted",
        "_answered",
        "_cancels",
        "_companion",
        "_deadline",
        "_last_words",
        "_late",
        "_reading",
        "_task",
        "_timer",
        "context",
        "endpoint",
        "observation",
        "parsed",
        "receive",
        "scope",
        "send",
        "served",
        "service",
        "state",
    )

    context: CallContext
    parsed: ParsedBody

    def __init__(
        self, service: Service, served: Served, endpoint: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.service = service
        self.served = served
        self.endpoint = endpoint
        self.scope = scope
        self.receive = receive
        self.send = send
        self.state = state_of(scope)
        self.state.tactic = served.name
        self.state.endpoint = endpoint
        self.observation = observation_of(self)
        self._aborted: BaseException | None = None
        self._answered = False
        self._cancels = True
        self._companion: asyncio.Task[None] | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._late = False
        self._reading = True

    async def serve(self, answer: Callable[[Exchange], Awaitable[Reply | None]]) -> None:
        """Answer the request.

        Args:
            answer: Does the work and returns the answer, or None when it has sent it itself.
        """
        task = self._task = asyncio.current_task()
        self.service.begin(self)
        reply: Reply | None
        try:
            self._start()
            if self.observation is None:
                reply = await answer(self)
            else:
                with self.observation:
                    reply = await answer(self)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if self.is_stopped(error):
                raise
            reply = self.failed(self._aborted or error)
        finally:
            self._disarm()
            self.service.end(self)
        if self._aborted is not None and task is not None:
            task.uncancel()
        if reply is not None and not self._answered:
            self._answered = True
            if self.observation is not None and (usage := self.observation.usage()) is not None:
                reply.headers.append((b"x-lllm-usage", usage))
            await reply.send(self.send)

    def _start(self) -> None:
        """Read the headers that say how the request is served, and set the timer for a first look."""
        self._cancels = self.served.cancels_for(self.state)
        self._deadline = deadline_of(self.state, self.served.request_timeout)
        if self._deadline is None or self._deadline - monotonic() > LATE_SECONDS:
            self.service.watch.add(self)  # which sets a timer for those that are not answered by then
        else:
            self._timer = asyncio.get_running_loop().call_later(self._first_look(), self.be_late)

    # The request

    async def read(self) -> None:
        """Read the body, and make of it the input and the context of the call.

        Raises:
            SchemaError: The body or its context is malformed.
            Refusal: The body is too large or comes too slowly.
            DeadlineExceeded: No time is left.
        """
        body = await self.read_bytes()
        if len(body) < OFF_LOOP_BYTES:
            self._take(self.served.reader.read(body, claims_json(self.state), forced_form(self.state)))
        else:
            await self.decode(body)

    async def read_bytes(self) -> bytes:
        """Return the body.

        Raises:
            Refusal: It is too large or comes too slowly.
        """
        message = await self.receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
        else:
            body = await read_body(self.receive, message)
        limit = self.served.max_body_bytes
        if limit is not None and len(body) > limit:
            raise too_large(limit)
        self._reading = False
        if self._late:
            self._watch()
        return body

    async def decode(self, body: bytes) -> None:
        """Make the input and the context of the call of the body; a large one in a thread.

        Args:
            body: The body.

        Raises:
            SchemaError: The body or its context is malformed.
            DeadlineExceeded: No time is left.
        """
        read, is_json, forced = self.served.reader.read, claims_json(self.state), forced_form(self.state)
        if len(body) < OFF_LOOP_BYTES:
            self._take(read(body, is_json, forced))
        else:
            self._take(await self.service.large(read, body, is_json, forced))

    def _take(self, parsed: ParsedBody) -> None:
        self.parsed = parsed
        self.take_context(parsed.context)

    def take_context(self, given: Any) -> None:
        """Make the context of the call.

        Args:
            given: What the envelope gave, or None.

        Raises:
            SchemaError: It is malformed.
            DeadlineExceeded: No time is left.
        """
        state = self.state
        try:
            context = context_of(
                given,
                endpoint=self.endpoint,
                tactic_ref=self.served.tactic.package_ref,
                principal=state.principal,
            )
        except SchemaError:
            request_id = given_request_id(given)
            if request_id is not None:
                state.request_id = request_id
            raise
        state.request_id = context.request_id
        if context.trace_id is None and state.trace_id is not None:
            context.trace_id = state.trace_id
        self.context = context
        if self._deadline is not None:
            context.limit(self._deadline - monotonic())
            if self._deadline <= monotonic():
                raise DeadlineExceeded("The deadline of the call has passed.")

    # The answer to a failure

    def failed(self, error: BaseException) -> Reply | None:
        """Return the answer to a request that failed, and log what the caller cannot know.

        Args:
            error: What ended it.
        """
        if isinstance(error, CallerGone):
            return None
        return failure_reply(self.failure(error), self.state)

    def failure(self, error: BaseException) -> Failure:
        """Return what the caller is told about an exception, and log what it cannot know.

        Args:
            error: What ended the call.
        """
        place = self.parsed.place if hasattr(self, "parsed") else ""
        failure = failure_from(
            error, from_input=self._is_about_input(error), place=place, show_message=self._shows_messages()
        )
        if failure.status >= 500 and not isinstance(error, Refusal):
            log_failure(self.state, error)
        return failure

    def _is_about_input(self, error: BaseException) -> bool:
        """Tell whether a refused input is the caller's; a tactic may have passed on another one to another tactic."""
        if not (isinstance(error, SchemaError) and error.direction == "input" and hasattr(self, "parsed")):
            return True
        if self.parsed.checked:
            return False
        try:
            self.served.tactic.validate_input(self.parsed.value)
        except SchemaError:
            return True
        return False

    def _shows_messages(self) -> bool:
        exposed = self.service.options.expose_errors
        return exposed == "message" or (exposed is None and is_local(self.scope.get("server")))

    # What ends it early

    def abort(self, reason: BaseException) -> None:
        """End the request, whatever it is doing.

        Args:
            reason: What is answered; `CallerGone` when nobody is there to answer.
        """
        task = self._task
        if self._aborted is not None or task is None or task.done():
            return
        self._aborted = reason
        if hasattr(self, "context"):
            self.context.cancel()
        task.cancel()
        if not isinstance(reason, CallerGone):
            asyncio.get_running_loop().call_later(_DEAF_SECONDS, self._answer_anyway, task)

    def _answer_anyway(self, task: asyncio.Task[Any]) -> None:
        """Answer although the work goes on: it was cancelled and does not listen."""
        if task.done() or self._answered or self.state.status:
            return
        self._answered = True
        reply = None if self._aborted is None else self.failed(self._aborted)
        if reply is not None:
            self._last_words = asyncio.get_running_loop().create_task(reply.send(self.send))

    def is_stopped(self, error: BaseException) -> bool:
        """Tell whether the server ends the request; a tactic may raise `CancelledError` on its own account.

        Args:
            error: What ended the work.
        """
        task = self._task
        return (
            isinstance(error, asyncio.CancelledError)
            and self._aborted is None
            and task is not None
            and task.cancelling() > 0
        )

    @property
    def aborted(self) -> BaseException | None:
        """What the request was ended with, or None."""
        return self._aborted

    def _first_look(self) -> float:
        left = 0.0 if self._deadline is None else self._deadline - monotonic()
        return min(LATE_SECONDS, left) if left > 0 else LATE_SECONDS

    def be_late(self) -> None:
        """Do what a request that takes its time needs; most are answered before this is called."""
        self._late = True
        if not self._reading:
            self._watch()
            return
        seconds = self.service.options.body_timeout
        left = None if self._deadline is None else self._deadline - monotonic()
        if left is not None and (seconds is None or left < seconds):
            self._abort_in(left, DeadlineExceeded("The deadline of the call has passed."))
        elif seconds is not None:
            text = f"The request body did not arrive within {seconds:g} seconds."
            self._abort_in(seconds - LATE_SECONDS, Refusal(408, "RequestTimeout", text))

    def _watch(self) -> None:
        """Wait for the caller to leave, and for the time to be up, beside the work."""
        if self._timer is not None:
            self._timer.cancel()
        if self._deadline is not None:
            self._abort_in(
                self._deadline - monotonic(), DeadlineExceeded("The deadline of the call has passed.")
            )
        if self._cancels and self._companion is None:
            self._companion = asyncio.get_running_loop().create_task(self._await_leaving())

    def _abort_in(self, seconds: float, reason: BaseException) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, seconds), self.abort, reason)

    async def _await_leaving(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.abort(CallerGone())

    def _disarm(self) -> None:
        self.service.watch.discard(self)
        # Letting go of both at once frees the input and the output now, and not when the garbage is collected.
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        companion, self._companion = self._companion, None
        if companion is not None:
            companion.cancel()

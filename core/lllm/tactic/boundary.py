"""`Tactic`: the typed unit of work, called the same way whoever does it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lllm.calls import Call, active_call
from lllm.errors import TacticUnsupportedError
from lllm.names import check_examples, check_flag, check_metadata, check_segment, check_text
from lllm.refs import check_service_ref, check_tactic_ref
from lllm.schema import type_name
from lllm.tactic import host, models
from lllm.tactic.batched import LABELS, Batched
from lllm.tactic.described import Described
from lllm.tactic.generics import generic_types
from lllm.tactic.parts import bind_parts, find_parts
from lllm.tactic.registry import register_definition
from lllm.tactic.traits import traits_of

if TYPE_CHECKING:
    from contextvars import Token

    from lllm.context import CallContext
    from lllm.events import TacticEvent
    from lllm.trace import CallTrace

__all__ = ["Tactic"]

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


class Tactic(Described, Batched, Generic[InputT, OutputT]):
    """A unit of work with a typed input and a typed output.

    There are two ways to write one. A typed tactic implements `_run` or `_arun`, and `_stream`, `_astream` or
    `_aevents` when it streams, with `context` as a keyword. An agent group declares `agent_group` and implements
    `call(task)`; each call runs on a copy of its own with fresh agents. Callers use both alike.

    Args:
        config: Config of an agent group; refused by tactics that have none.
        log_store: Where the sessions of root calls are saved, or None.
        runtime: The resource registry that config paths are looked up in, or None for the default one.
        tactic_path: Where the tactic comes from, `package::name`; known by itself for a packaged tactic, and the bare
            name for any other.
        name: Name instead of the class's.
        description: Description instead of the class's; may be empty.
        package_ref: Tactic ref under which the tactic is published.
        service_ref: Service ref or URL of the service that runs it.
        examples: Maps that show inputs and outputs.
        metadata: Anything else that `info()` should say.

    Raises:
        TypeError: An argument has the wrong type, or `config` is given to a tactic that takes none.
        ValueError: A name or ref is malformed.

    Example:
        ```python
        class Echo(Tactic[EchoIn, EchoOut]):
            name = "echo"

            def _run(self, input_value, *, context=None):
                return EchoOut(text=input_value.text.upper())
        ```
    """

    config: Mapping[str, Any] | None = None
    log_store: Any = None
    runtime: Any = None
    tactic_path: str | None = None
    if TYPE_CHECKING:
        # Set by the runtime that claims an agent group, on the copy that each call gets.
        agents: dict[str, Any]
        llm_invoker: Any

    _claimed_by: str | None = None

    def __init_subclass__(cls, *, register: bool = True, runtime: Any = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._traits = traits_of(cls, Tactic)
        given_input, given_output = generic_types(cls, Tactic)
        if given_input is not None and cls.__dict__.get("input_type") is None:
            cls.input_type = given_input
        if given_output is not None and cls.__dict__.get("output_type") is None:
            cls.output_type = given_output
        name = cls.__dict__.get("name")
        if register and isinstance(name, str) and name:
            register_definition(cls, runtime)

    def __init__(
        self,
        config: Any = None,
        log_store: Any = None,
        runtime: Any = None,
        tactic_path: str | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        package_ref: str | None = None,
        service_ref: str | None = None,
        examples: list[dict[str, Any]] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.log_store = log_store
        self.runtime = runtime
        self._given_name = name
        self.tactic_path = tactic_path or type(self).__dict__.get("tactic_path") or self.tactic_name
        self._given_description = None if description is None else check_text(description, "description")
        self.package_ref = _ref(package_ref, "package_ref", check_tactic_ref)
        self.service_ref = _ref(service_ref, "service_ref", check_service_ref)
        self.examples = check_examples(examples)
        self.metadata = check_metadata(metadata)
        check_segment(self.tactic_name, "name")
        self._attach(config)

    def _attach(self, config: Any) -> None:
        """Hand the tactic to the runtime that claims its class, if one does."""
        traits = self._traits
        if traits.call and self.agent_group is None:
            raise AssertionError(
                f"agent_group not set for tactic `{self.tactic_name}`; declare the agents that `call` uses, "
                f"or `agent_group = []`."
            )
        if not traits.implements and type(self) is not Tactic:
            self._claimed_by = host.claimed_runtime(type(self))
            if self._claimed_by is None and traits.call:
                self._claimed_by = "agents"
        if self._claimed_by is not None:
            self.config = config
            host.runtime_named(self._claimed_by).attach(self, config)
        elif config is not None:
            raise TypeError(
                f"config is for agent groups; `{type(self).__name__}` declares no `agent_group` and no `call`, "
                f"so construct it without config."
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.tactic_name!r}>"

    @property
    def sub_tactics(self) -> dict[str, Tactic[Any, Any]]:
        """The tactics among the attributes, also in lists, tuples and dicts, by attribute name."""
        return find_parts(self.__dict__, Tactic)

    # Calls with one result

    def run(
        self,
        input_value: Any,
        *,
        context: CallContext | None = None,
        return_trace: bool = False,
        return_session: Any = False,
        **kwargs: Any,
    ) -> Any:
        """Call the tactic and wait for its result.

        Args:
            input_value: The input, or JSON-like data that matches `input_type`.
            context: Ids, caller and metadata of the call; a new one is made when it is None.
            return_trace: Return a `CallResult`, also after a failure.
            return_session: True returns the session; `"always"` returns it after a failure too.
            **kwargs: Passed to the implementation.

        Returns:
            The validated output, or what `return_trace` or `return_session` ask for.

        Raises:
            TypeError: A flag or the context has the wrong type.
            SchemaError: Input or output do not match.
            TacticUnsupportedError: The tactic does not run.
            TacticError: An event loop is running in this thread and the tactic is asynchronous.
            DeadlineExceeded: The context's deadline has passed.
            Exception: Whatever the implementation raises, with the session as its `session` attribute.
        """
        if return_trace is not False or return_session is not False:
            _check_reports(return_trace, return_session)
        call = self._begin(context)
        trace = self._trace(call) if return_trace else None
        token = active_call.set(call)
        try:
            try:
                output = self._perform(call, input_value, kwargs)
            finally:
                active_call.reset(token)
            call.succeed(output)
        except BaseException as error:
            return self._failed(call, error, trace, return_session)
        return self._succeeded(call, trace, return_session)

    async def arun(
        self,
        input_value: Any,
        *,
        context: CallContext | None = None,
        return_trace: bool = False,
        return_session: Any = False,
        **kwargs: Any,
    ) -> Any:
        """Call the tactic and await its result; synchronous implementations run in a worker thread.

        Arguments, results and errors are those of `run`. Cancelling the call cancels the work: what runs in a
        thread sees `context.cancelled`.
        """
        if return_trace is not False or return_session is not False:
            _check_reports(return_trace, return_session)
        call = self._begin(context)
        trace = self._trace(call) if return_trace else None
        token = active_call.set(call)
        try:
            try:
                output = await self._aperform(call, input_value, kwargs)
            finally:
                _restore(token)
            call.succeed(output)
        except BaseException as error:
            if not isinstance(error, Exception):
                call.context.cancel()
            return self._failed(call, error, trace, return_session)
        return self._succeeded(call, trace, return_session)

    def _begin(self, context: CallContext | None) -> Call:
        parent = active_call.get()
        if context is None:
            context = models.fresh_context(None if parent is None else parent.context)
            call = Call(self, context, parent)
            if parent is not None:
                call.bounded = context.bounded
        elif isinstance(context, models.CallContext):
            call = Call(self, context, parent)
            call.bounded = context.bounded
        else:
            raise TypeError("context must be a CallContext.")
        observer = host.observing_manager()
        if observer is not None:
            call.observer = observer
            call.keep()
            observer.call_started(call)
        return call

    def _perform(self, call: Call, input_value: Any, kwargs: dict[str, Any]) -> Any:
        if kwargs and self._traits.call:
            kwargs = _take_labels(call, kwargs)
        context = call.context
        call.task = value = self.validate_input(input_value)
        if call.bounded:
            models.check_deadline(context)
        worker = self if self._claimed_by is None else self._bind(call)
        output = worker._run(value, context=context, **kwargs)
        if isinstance(output, Awaitable):
            from lllm.tactic.streams import drive_awaitable

            output = drive_awaitable(self, output, call)
        return self.validate_output(output)

    async def _aperform(self, call: Call, input_value: Any, kwargs: dict[str, Any]) -> Any:
        if kwargs and self._traits.call:
            kwargs = _take_labels(call, kwargs)
        context = call.context
        call.task = value = self.validate_input(input_value)
        if call.bounded:
            models.check_deadline(context)
        worker = self if self._claimed_by is None else self._bind(call)
        output = worker._arun(value, context=context, **kwargs)
        if isinstance(output, Awaitable):
            if call.bounded:
                from lllm.tactic.streams import before_deadline

                output = before_deadline(output, context)
            output = await output
        return self.validate_output(output)

    def _bind(self, call: Call) -> Tactic[Any, Any]:
        """Return what does the work of one call: the claiming runtime's copy for it."""
        assert self._claimed_by is not None
        call.keep()
        bound = host.runtime_named(self._claimed_by).bind(self, call)
        if bound is not self:
            bind_parts(bound, call, Tactic)
        return bound

    def _bind_stream(self, call: Call) -> Tactic[Any, Any]:
        """Return what streams one call: what is bound to it, or what the claiming runtime puts around that."""
        assert self._claimed_by is not None
        bound = self._bind(call)
        around = getattr(host.runtime_named(self._claimed_by), "streaming", None)
        streaming: Tactic[Any, Any] = (
            bound if bound._traits.streams or around is None else around(bound, call)
        )
        return streaming

    def _trace(self, call: Call) -> CallTrace:
        context = call.context
        return models.CallTrace.of_call(
            context.request_id, self.tactic_name, type_name(self.input_type), context.metadata
        )

    def _succeeded(self, call: Call, trace: CallTrace | None, return_session: Any) -> Any:
        self._end(call)
        if return_session:
            return call.session
        if call._waiting:
            call.forget()
        if trace is None:
            return call.output
        trace.success(call.output)
        _add_usage(trace, call)
        return models.CallResult.of(call.output, trace)

    def _failed(self, call: Call, error: BaseException, trace: CallTrace | None, return_session: Any) -> Any:
        """End a failed call; return what stands for the failure, or raise it."""
        call.fail(error)
        self._end(call)
        if isinstance(error, Exception):
            if trace is not None:
                trace.failure(error)
                _add_usage(trace, call)
                return models.CallResult.of(None, trace)
            if return_session == "always":
                return call.session
        raise error

    def _end(self, call: Call) -> None:
        if call.observer is not None:
            call.observer.call_finished(call)
        if self.log_store is not None and call.parent is None:
            from lllm.tactic.batch import save_session

            save_session(self.log_store, call)

    # Calls that stream

    def stream(self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any) -> Iterator[Any]:
        """Call the tactic and iterate over its output chunks.

        The input is validated before this returns; the work begins with the first chunk. A `TacticEvent` of kind
        `result` among the chunks is validated against `output_type`.

        Args:
            input_value: As for `run`.
            context: As for `run`.
            **kwargs: Passed to the implementation.

        Raises:
            SchemaError: The input does not match.
            TacticUnsupportedError: The tactic does not stream.
        """
        from lllm.tactic import streams

        return streams.stream(self, input_value, context, kwargs)

    def astream(
        self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Call the tactic and iterate asynchronously over its output chunks.

        Arguments and errors are those of `stream`; a synchronous stream runs in a worker thread.
        """
        from lllm.tactic import streams

        return streams.astream(self, input_value, context, kwargs)

    def aevents(
        self, input_value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> AsyncIterator[TacticEvent]:
        """Call the tactic and iterate over `TacticEvent`s; plain chunks are wrapped.

        Arguments and errors are those of `stream`.
        """
        from lllm.tactic import streams

        return streams.aevents(self, input_value, context, kwargs)

    # What subclasses implement

    def call(self, task: Any, *args: Any, **kwargs: Any) -> Any:
        """Do the work of an agent group; agents are in `self.agents`.

        Args:
            task: The validated input.
            *args: Nothing; it lets an override name and type its own parameters.
            **kwargs: What the caller passed on.

        Returns:
            The output. `async def` works too.
        """
        raise TacticUnsupportedError(f"{type(self).__name__} does not implement call().")

    def _run(self, input_value: Any, *args: Any, **kwargs: Any) -> Any:
        traits, context = self._traits, kwargs.pop("context", None)
        if traits.call:
            if traits.call_takes_context:
                kwargs["context"] = context
            return self.call(input_value, **kwargs)
        if traits.arun:
            return self._arun(input_value, context=context, **kwargs)
        if traits.public_arun and not traits.public_run:
            return self.arun(input_value, context=context, **kwargs)
        raise TacticUnsupportedError(f"{type(self).__name__} does not implement _run().")

    async def _arun(self, input_value: Any, *args: Any, **kwargs: Any) -> Any:
        traits, context = self._traits, kwargs.pop("context", None)
        if traits.public_run and not (traits.run or traits.call or traits.public_arun):
            from lllm.background import run_in_thread

            return await run_in_thread(self.run, input_value, context=context, **kwargs)
        on_loop = traits.run_is_async or (traits.call_is_async and not traits.run)
        if on_loop or not (traits.run or traits.call):
            output = self._run(input_value, context=context, **kwargs)
        else:
            from lllm.tactic.batch import in_worker

            output = await in_worker(self, input_value, context, kwargs)
        return await output if isinstance(output, Awaitable) else output


def _restore(token: Token[Call | None]) -> None:
    # A task that its loop left unfinished is closed by whoever collects it, outside the task's own context.
    try:  # noqa: SIM105  # `suppress` costs a third of a microsecond
        active_call.reset(token)
    except ValueError:
        pass


def _ref(value: Any, label: str, check: Any) -> str | None:
    return None if value is None else check(check_text(value, label), label)


def _check_reports(return_trace: Any, return_session: Any) -> None:
    check_flag(return_trace, "return_trace")
    if return_session != "always":
        check_flag(return_session, "return_session")
    if return_trace and return_session:
        raise TypeError("return_trace and return_session cannot both be set; ask for one of them.")


def _take_labels(call: Call, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Move session labels from the keyword arguments of an agent-group call to its session."""
    labels = {name: kwargs[name] for name in LABELS if kwargs.get(name) is not None}
    if labels:
        session = call.session
        session.session_name = labels.get("session_name")
        session.tags = dict(labels.get("tags") or {})
        session.metadata = dict(labels.get("metadata") or {})
    return {name: value for name, value in kwargs.items() if name not in LABELS}


def _add_usage(trace: CallTrace, call: Call) -> None:
    if call.has_session and call.session.llm_call_count:
        trace.metadata["usage"] = call.session.usage_totals()

"""`PydanticAITactic`: an agent behind the boundary of a tactic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Self

from lllm import CallContext, SchemaError, Tactic, TacticEvent
from lllm.background import drive, iterate_async
from lllm.schema import adapter_of, export_json_schema
from lllm_runtime_pydantic_ai.agent_facts import (
    has_method,
    is_library_agent,
    own_description,
    own_name,
    own_schema,
)
from lllm_runtime_pydantic_ai.config import (
    InputMode,
    PydanticAITacticConfig,
    ResultMode,
    StreamMode,
    read_config,
)
from lllm_runtime_pydantic_ai.duck_run import DuckRun
from lllm_runtime_pydantic_ai.handover import OwnedStream
from lllm_runtime_pydantic_ai.library_run import LibraryRun

__all__ = ["PydanticAITactic", "agent_capabilities"]


class PydanticAITactic(Tactic[Any, Any], register=False):
    """A tactic that runs a Pydantic AI agent.

    The agent validates its own output; the tactic validates it again only against an `output_type` that is given.
    What a run uses and costs goes to the session of the call. `run` and `stream` work in every thread, with or
    without an event loop: the agent then runs on the one background loop of the process.

    Keyword arguments of a call (`model`, `message_history`, `usage_limits`, ...) reach the agent's run. So do those
    given here; `run_kwargs` takes any others.

    Args:
        agent: The agent, or an object with the same methods.
        config: The same settings as a `PydanticAITacticConfig` or a mapping; keyword arguments win.
        name: Name of the tactic; the agent's when it is not given, else the class's.
        input_type: Schema of the input.
        output_type: Schema of the output; what the agent says about it when it is not given.
        description: What the tactic does; what the agent says about itself when it is not given.
        package_ref: Tactic ref under which it is published.
        service_ref: Service ref or URL of the service that runs it.
        examples: Maps that show inputs and outputs.
        input_mode: How the agent is handed a model: `auto`, `json`, `dict`, `python` or `text`.
        result_mode: What a call answers with: `output` or the library's `result`.
        stream_mode: What chunks are: `output`, `text`, `response` or `raw`.
        include_context_metadata: Whether runs carry the metadata and ids of the call; true by default.
        run_kwargs: Further arguments of the agent's run.
        input_mapper: Makes what the agent is handed out of the input.
        output_mapper: Makes the output out of the library's result.
        metadata: Anything else that `info()` should say; runs of the library's agents carry it as well.
        deps: Dependencies of the agent's tools, or a factory that is called with the context of each call.
        model: Model to run with instead of the agent's.
        model_settings: Settings of the model.
        usage_limits: Limits of each run; a run that reaches one raises `BudgetExceeded`.
        message_history: Messages that each run begins with.
        toolsets: Further toolsets.
        instructions: Further instructions.

    Attributes:
        agent: The agent.
        settings: What config and arguments amount to.

    Raises:
        TypeError: `config` or an argument has the wrong type, or `agent` has no method to run it.
        ValueError: A mode, name or ref is malformed.
    """

    runtime_kind = "pydantic-ai"

    def __init__(
        self,
        agent: Any,
        config: PydanticAITacticConfig | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        input_type: Any = None,
        output_type: Any = None,
        description: str | None = None,
        package_ref: str | None = None,
        service_ref: str | None = None,
        examples: list[dict[str, Any]] | None = None,
        input_mode: InputMode | None = None,
        result_mode: ResultMode | None = None,
        stream_mode: StreamMode | None = None,
        include_context_metadata: bool | None = None,
        run_kwargs: Mapping[str, Any] | None = None,
        input_mapper: Callable[[Any], Any] | None = None,
        output_mapper: Callable[[Any], Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        deps: Any = None,
        model: Any = None,
        model_settings: Any = None,
        usage_limits: Any = None,
        message_history: Any = None,
        toolsets: Any = None,
        instructions: Any = None,
    ) -> None:
        settings = read_config(
            config,
            input_type=input_type,
            output_type=output_type,
            description=description,
            package_ref=package_ref,
            service_ref=service_ref,
            examples=examples,
            input_mode=input_mode,
            result_mode=result_mode,
            stream_mode=stream_mode,
            include_context_metadata=include_context_metadata,
            run_kwargs=run_kwargs,
            input_mapper=input_mapper,
            output_mapper=output_mapper,
            metadata=metadata,
        )
        named = {
            "deps": deps,
            "model": model,
            "model_settings": model_settings,
            "usage_limits": usage_limits,
            "message_history": message_history,
            "toolsets": toolsets,
            "instructions": instructions,
        }
        settings.run_kwargs.update({key: value for key, value in named.items() if value is not None})
        self.agent = agent
        self.settings = settings
        self._library = is_library_agent(agent)
        self.input_type = settings.input_type
        self.output_type = settings.output_type
        if settings.output_type is None:
            self.output_type = getattr(agent, "output_type", None)
        self._checks_output = settings.output_type is not None or self._must_check()
        super().__init__(
            name=own_name(agent) if name is None else name,
            description=own_description(agent) if settings.description is None else settings.description,
            package_ref=settings.package_ref,
            service_ref=settings.service_ref,
            examples=settings.examples,
            metadata=settings.metadata,
        )

    @classmethod
    def from_agent(cls, agent: Any, **options: Any) -> Self:
        """Return a tactic around an agent.

        Args:
            agent: The agent.
            **options: The other arguments of the class.
        """
        return cls(agent, **options)

    def _must_check(self) -> bool:
        """Tell whether an output is to be validated as the agent says its outputs are; the library did it already."""
        if self._library or not self._answers_with_output():
            return False
        try:
            adapter_of(self.output_type)
        except SchemaError:  # alternatives in a list, or a marker, that only the agent itself understands
            return False
        return True

    def _answers_with_output(self) -> bool:
        return self.settings.output_mapper is None and self.settings.result_mode == "output"

    def validate_output(self, value: Any) -> Any:
        """Validate an output against the `output_type` that was given; without one the agent's own check stands.

        Raises:
            SchemaError: It does not match.
        """
        return super().validate_output(value) if self._checks_output else value

    def capabilities(self) -> set[str]:
        """Return `run` and `arun`, with `stream` and `events` when the agent has the methods for them."""
        return agent_capabilities(self.agent)

    def _export_output_schema(self) -> dict[str, Any] | None:
        if self.settings.output_type is not None:
            return super()._export_output_schema()
        if not self._answers_with_output():
            return None
        schema = own_schema(self.agent)
        if schema is not None:
            return schema
        try:
            return export_json_schema(self.output_type)
        except SchemaError:
            return None

    # What the boundary calls

    def _run(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        if self._library:
            return drive(self._library_run(input_value, context, kwargs).output())
        return DuckRun(self.agent, self.settings, input_value, context, kwargs).output()

    async def _arun(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        if self._library:
            return await self._library_run(input_value, context, kwargs).output()
        return await DuckRun(self.agent, self.settings, input_value, context, kwargs).aoutput()

    def _stream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Iterator[Any]:
        if self._library:
            return iterate_async(self._library_run(input_value, context, kwargs).chunks)
        return DuckRun(self.agent, self.settings, input_value, context, kwargs).chunks()

    def _astream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        if self._library:
            return OwnedStream(self._library_run(input_value, context, kwargs).chunks)
        run = DuckRun(self.agent, self.settings, input_value, context, kwargs)
        return OwnedStream(run.achunks)

    def _aevents(
        self, input_value: Any, *, context: CallContext, **kwargs: Any
    ) -> AsyncIterator[TacticEvent]:
        if self._library:
            return OwnedStream(self._library_run(input_value, context, kwargs).events)
        return OwnedStream(DuckRun(self.agent, self.settings, input_value, context, kwargs).events)

    def _library_run(self, value: Any, context: CallContext, kwargs: Mapping[str, Any]) -> LibraryRun:
        name = own_name(self.agent) or self.tactic_name
        return LibraryRun(self.agent, self.settings, name, value, context, kwargs, self.validate_output)


def agent_capabilities(agent: Any) -> set[str]:
    """Return what a tactic around an agent can do, without evaluating any property of the agent.

    Args:
        agent: The agent.
    """
    found = {"run", "arun"}
    if has_method(agent, "run_stream") or has_method(agent, "run_stream_sync"):
        found.add("stream")
    if has_method(agent, "run_stream_events"):
        found.add("events")
    return found

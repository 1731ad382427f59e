"""The runtime `pydantic-ai`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lllm import Runtime
from lllm.names import copy_boundary
from lllm_runtime_pydantic_ai.agent_facts import has_method, own_description
from lllm_runtime_pydantic_ai.config import PydanticAITacticConfig
from lllm_runtime_pydantic_ai.tactic import PydanticAITactic, agent_capabilities

if TYPE_CHECKING:
    from lllm.calls import Call
    from lllm.tactic import Tactic

__all__ = ["PydanticAIRuntime"]

_STATE = "_pydantic_ai_state"


class PydanticAIRuntime(Runtime):
    """Adapts agents, and runs the tactic classes that name one in their attribute `agent`."""

    def adapt(self, target: Any, **options: Any) -> PydanticAITactic:
        """Return a tactic around an agent.

        Args:
            target: The agent.
            **options: The keyword arguments of `PydanticAITactic`.
        """
        return PydanticAITactic(target, **options)

    def attach(self, tactic: Tactic[Any, Any], config: Any) -> None:
        """Make a tactic ready to run the agent of its class.

        The class says what else there is to say: its types, and `deps` as a value or as a method that is called with
        the context of each call. A `config` of the class holds for all its instances; what the constructor is given
        goes over it.

        Args:
            tactic: The tactic that was constructed.
            config: A `PydanticAITacticConfig`, a mapping of its fields, or None.

        Raises:
            TypeError: `agent` is no agent, or the config has the wrong type.
            ValueError: The config is malformed.
        """
        cls: Any = type(tactic)
        agent = cls.agent
        if not any(has_method(agent, name) for name in ("run", "run_sync")):
            raise TypeError(
                f"`agent` of `{cls.__name__}` must be a Pydantic AI agent, got {type(agent).__name__}; "
                f"a tactic without an agent implements `_run` or `_arun`."
            )
        inner = PydanticAITactic(
            agent,
            _merged(cls.config, config),
            name=tactic.tactic_name,
            input_type=tactic.input_type,
            output_type=tactic.output_type,
            metadata=tactic.metadata or None,
            deps=getattr(tactic, "deps", None),
        )
        tactic.__dict__[_STATE] = vars(inner)
        tactic.declared_capabilities = frozenset(agent_capabilities(agent))
        if cls.runtime_kind == "python":
            tactic.runtime_kind = PydanticAITactic.runtime_kind
        if not cls.description and not cls.__dict__.get("__doc__"):
            tactic.description = own_description(agent)
        _describe(tactic, inner.settings)
        if tactic.output_type is None and isinstance(inner.output_type, type):
            tactic.output_type = inner.output_type

    def bind(self, tactic: Tactic[Any, Any], call: Call) -> PydanticAITactic:
        """Return what runs the agent for one call.

        Args:
            tactic: The tactic that was called.
            call: The call that begins.
        """
        bound = object.__new__(PydanticAITactic)
        bound.__dict__.update(tactic.__dict__[_STATE])
        return bound


def _describe(tactic: Tactic[Any, Any], settings: PydanticAITacticConfig) -> None:
    """Let a tactic say of itself what its config says, where its constructor does not."""
    for field in ("input_type", "output_type", "package_ref", "service_ref"):
        if getattr(tactic, field) is None:
            setattr(tactic, field, getattr(settings, field))
    tactic.examples = tactic.examples or copy_boundary(settings.examples)
    tactic.metadata = copy_boundary(settings.metadata)
    if settings.description is not None:
        tactic.description = settings.description


def _merged(of_class: Any, given: Any) -> Any:
    """Return the config of the constructor over that of the class."""
    if of_class is None or given is None:
        return of_class if given is None else given
    if isinstance(of_class, Mapping) and isinstance(given, Mapping):
        return {**of_class, **given}
    return given

"""Reading the agents of a config."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Self

from lllm_runtime_agents.agent import Agent
from lllm_runtime_agents.context_manager import ContextManager, find_context_manager
from lllm_runtime_agents.deep_merge import copied, deep_merge
from lllm_runtime_agents.function import Function
from lllm_runtime_agents.invoker import BaseInvoker
from lllm_runtime_agents.limits import LIMITS, check_limits
from lllm_runtime_agents.prompt import Prompt, inline_prompt
from lllm_runtime_agents.registry import ResourceRegistry, find_prompt
from lllm_runtime_agents.roles import APITypes
from lllm_runtime_agents.skills import activation_tool, catalogue, load_skills
from lllm_runtime_agents.tool_refs import resolve_tool

__all__ = ["AgentSpec", "parse_agent_configs"]

_KNOWN = frozenset(
    {
        "name",
        "model_name",
        "system_prompt",
        "system_prompt_path",
        "api_type",
        "model_args",
        "extra_settings",
        "context_manager",
        "skills",
        "tools",
        *LIMITS,
    }
)


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """What a config says about one agent.

    Attributes:
        name: Name of the agent.
        model_name: Name of its model, or an object that the invoker takes for one.
        system_prompt: The text, or a `Prompt`; None when there is a path.
        system_prompt_path: Path of the prompt in the registry.
        api_type: Which of the provider's APIs is called.
        model_args: Temperature and the like.
        settings: Further fields of `Agent`, such as `max_exception_retry` and what `extra_settings` holds.
        context_manager: `type` and the arguments of a context manager, or None.
        skills: Names and URLs of skills, `"*"` for all, or None.
        tools: Tool references and `Function` objects.
    """

    name: str
    model_name: Any
    system_prompt: str | Prompt | None = None
    system_prompt_path: str | None = None
    api_type: APITypes = APITypes.COMPLETION
    model_args: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    context_manager: dict[str, Any] | None = None
    skills: str | list[str] | None = None
    tools: list[str | Function] = field(default_factory=list)

    @classmethod
    def from_config(cls, name: str, raw: Mapping[str, Any], *, strict: bool = False) -> Self:
        """Read one entry of `agent_configs`, the global defaults merged in.

        Args:
            name: Name of the agent.
            raw: The entry. Unknown keys become model arguments, with a warning.
            strict: Whether unknown keys are an error instead.

        Raises:
            ValueError: The model or the system prompt is missing, or a value is unknown.
            TypeError: A value has the wrong type.
        """
        if not raw.get("model_name"):
            raise ValueError(f"Agent '{name}' missing required 'model_name'")
        if raw.get("system_prompt") is None and not raw.get("system_prompt_path"):
            raise ValueError(f"Agent '{name}' needs either 'system_prompt' or 'system_prompt_path'")
        extra = {key: value for key, value in raw.items() if key not in _KNOWN}
        _report_unknown(name, extra, strict)
        owner = f"Agent '{name}'"
        further = _mapping(name, raw, "extra_settings")
        _check_settings(name, further)
        return cls(
            name=name,
            model_name=raw["model_name"],
            system_prompt=_system_prompt(name, raw.get("system_prompt")),
            system_prompt_path=raw.get("system_prompt_path"),
            api_type=_api_type(name, raw.get("api_type")),
            model_args={**copied(extra), **copied(_mapping(name, raw, "model_args"))},
            settings={**check_limits(owner, raw), **further, **check_limits(owner, further)},
            context_manager=_context_manager(name, raw.get("context_manager")),
            skills=_skills(name, raw.get("skills")),
            tools=_tools(name, raw.get("tools")),
        )

    def build(self, runtime: ResourceRegistry | None, invoker: BaseInvoker) -> Agent:
        """Make the agent: look up its prompt, its tools and its skills.

        Args:
            runtime: The registry for prompts, tools and context managers; the default one when None.
            invoker: Asks the model.

        Raises:
            KeyError: A prompt, tool, skill or context manager does not exist.
            TypeError: The context manager does not take its arguments.
        """
        prompt = self._prompt(runtime)
        tools = [resolve_tool(tool, runtime) if isinstance(tool, str) else tool for tool in self.tools]
        skills = load_skills(self.skills) if self.skills else []
        if skills:
            text = prompt.prompt + prompt.renderer.escape(catalogue(skills))
            prompt = prompt.model_copy(update={"prompt": text})
            tools.append(activation_tool(skills))
        return Agent(
            name=self.name,
            system_prompt=prompt,
            model=self.model_name,
            llm_invoker=invoker,
            api_type=self.api_type,
            model_args=dict(self.model_args),
            context_manager=self._build_context_manager(runtime),
            runtime=runtime,
            tools=tools,
            **self.settings,
        )

    def _prompt(self, runtime: ResourceRegistry | None) -> Prompt:
        if isinstance(self.system_prompt, Prompt):
            return self.system_prompt
        if self.system_prompt is not None:
            return inline_prompt(self.system_prompt, f"{self.name}/system_prompt")
        assert self.system_prompt_path is not None
        return find_prompt(self.system_prompt_path, runtime)

    def _build_context_manager(self, runtime: ResourceRegistry | None) -> ContextManager | None:
        if self.context_manager is None:
            return None
        options = dict(self.context_manager)
        manager = find_context_manager(options.pop("type", "default"), runtime)
        return manager(str(self.model_name), **options)


def parse_agent_configs(
    config: Mapping[str, Any], agent_group: Sequence[str], tactic_name: str
) -> dict[str, AgentSpec]:
    """Read the agents that a tactic needs; others in the config are ignored.

    Args:
        config: The config: `agent_configs` and the defaults in `global`.
        agent_group: Names of the agents that the tactic needs.
        tactic_name: Name of the tactic, for errors.

    Returns:
        Agent name to what the config says about it, in the order of the group.

    Raises:
        TypeError: `agent_configs` is no list of maps.
        ValueError: An agent is missing, or an entry is malformed.
    """
    entries = _entries(config.get("agent_configs") or ())
    shared = config.get("global") or {}
    if not isinstance(shared, Mapping):
        raise TypeError(f"'global' must be a mapping, got {type(shared).__name__}")
    strict = config.get("strict") is True
    specs: dict[str, AgentSpec] = {}
    for name in agent_group:
        if name not in entries:
            raise ValueError(
                f"Agent '{name}' required by tactic '{tactic_name}' not found in agent_configs. "
                f"Available: {sorted(entries)}"
            )
        specs[name] = AgentSpec.from_config(name, deep_merge(shared, entries[name]), strict=strict)
    return specs


def _entries(listed: Any) -> dict[str, Mapping[str, Any]]:
    if isinstance(listed, (str, Mapping)) or not isinstance(listed, Sequence):
        raise TypeError(f"agent_configs must be a list of dicts, got {type(listed).__name__}")
    entries: dict[str, Mapping[str, Any]] = {}
    for entry in listed:
        if not isinstance(entry, Mapping):
            raise TypeError(f"agent_configs entries must be dicts, got {type(entry).__name__}")
        name = entry.get("name")
        if not name:
            raise ValueError("Agent config entry missing 'name'")
        entries[str(name)] = entry
    return entries


def _report_unknown(name: str, extra: Mapping[str, Any], strict: bool) -> None:
    if not extra:
        return
    described = []
    for key in extra:
        near = get_close_matches(key, _KNOWN, n=1)
        described.append(f"'{key}'" + (f" (did you mean '{near[0]}'?)" if near else ""))
    text = f"Agent '{name}' has unknown keys {', '.join(described)}. Known keys: {sorted(_KNOWN)}"
    if strict:
        raise ValueError(text)
    # The frames between are the runtime's own; the warning belongs to whoever made the tactic.
    warnings.warn(f"{text}. They are passed on as model_args.", UserWarning, stacklevel=4)


def _mapping(name: str, raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"Agent '{name}': '{key}' must be a mapping, got {type(value).__name__}")
    return value


_SETTINGS = frozenset({"stream_handler", *LIMITS})


def _check_settings(name: str, settings: Mapping[str, Any]) -> None:
    unknown = sorted(str(key) for key in settings if key not in _SETTINGS)
    if unknown:
        raise TypeError(
            f"Agent '{name}' has unknown extra_settings {unknown}. Known settings: {sorted(_SETTINGS)}"
        )


def _system_prompt(name: str, value: Any) -> str | Prompt | None:
    if value is None or isinstance(value, (str, Prompt)):
        return value
    raise TypeError(f"Agent '{name}': 'system_prompt' must be a text, got {type(value).__name__}")


def _skills(name: str, value: Any) -> str | list[str] | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return list(value)
    raise TypeError(f"Agent '{name}': 'skills' must be \"*\" or a list of names and URLs, got {value!r}")


def _tools(name: str, value: Any) -> list[str | Function]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, Function)) for item in value):
        return list(value)
    raise TypeError(f"Agent '{name}': 'tools' must be a list of tool references, got {value!r}")


def _api_type(name: str, value: Any) -> APITypes:
    try:
        return APITypes.COMPLETION if value is None else APITypes(value)
    except ValueError:
        known = [each.value for each in APITypes]
        raise ValueError(f"Agent '{name}': 'api_type' must be one of {known}, got {value!r}") from None


def _context_manager(name: str, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return {"type": value}
    if not isinstance(value, Mapping):
        raise TypeError(
            f"Agent '{name}': 'context_manager' must be a name or a mapping, got {type(value).__name__}"
        )
    return dict(value)

"""`TacticToolset`: tactics, by object or by ref, as the tools of an agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai import ModelRetry, RunContext
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_core import SchemaValidator, core_schema

from lllm import SchemaError, Tactic, TacticInfo, TacticRef, TacticResolver
from lllm_runtime_pydantic_ai.tool_schemas import has_fields, parameters_schema
from lllm_runtime_pydantic_ai.tools import ParameterMode, check_parameter_mode, check_tool_name, tool_name_of

__all__ = ["TacticToolset"]

_ANY_OBJECT = SchemaValidator(core_schema.dict_schema(core_schema.str_schema()))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tactic of the set: the object or the ref, and the name that was given to its tool."""

    target: Tactic[Any, Any] | str
    name: str | None


class TacticToolset(AbstractToolset[Any]):
    """A toolset whose tools are tactics: local ones, services, other agents.

    A ref is resolved when the agent first runs, and a service is asked then what its input looks like. The tools are
    asynchronous, so cancelling the agent cancels the tactics; a call is part of the session that the agent runs in.
    Arguments that do not match the tactic's input go back to the model, which may try again.

    Args:
        tactics: Tactics and `psi://` refs, or a mapping of tool names to them; every ref of the resolver when it is
            None.
        resolver: What refs are resolved with.
        parameter_mode: `task` for one parameter that takes the input, `kwargs` for one parameter for each field of
            it; an input without fields is one parameter `task` in both.
        id: Id of the toolset, which durable execution needs.
        max_retries: How often the model may correct the arguments of a tool; the agent's own limit when None.

    Raises:
        TypeError: Something in `tactics` is neither a tactic nor a ref, or refs are given without a resolver.
        ValueError: A name or `parameter_mode` is malformed.
        TacticRefError: A ref is malformed.
    """

    def __init__(
        self,
        tactics: Iterable[Tactic[Any, Any] | TacticRef | str]
        | Mapping[str, Tactic[Any, Any] | TacticRef | str]
        | None = None,
        *,
        resolver: TacticResolver | None = None,
        parameter_mode: ParameterMode = "task",
        id: str | None = None,  # noqa: A002  # as the library's own toolsets have it
        max_retries: int | None = None,
    ) -> None:
        self._mode = check_parameter_mode(parameter_mode)
        self._resolver = resolver
        self._id = id
        self._max_retries = max_retries
        self._entries: list[_Entry] | None = None
        if tactics is not None:
            named = isinstance(tactics, Mapping)
            pairs = tactics.items() if isinstance(tactics, Mapping) else ((None, item) for item in tactics)
            self._entries = [
                _Entry(_target(item), check_tool_name(name) if named else None) for name, item in pairs
            ]
        if resolver is None and (
            self._entries is None or any(isinstance(e.target, str) for e in self._entries)
        ):
            raise TypeError("resolver must be a TacticResolver when tactics are named by ref.")
        self._infos: dict[int | str, TacticInfo] = {}

    @property
    def id(self) -> str | None:
        """The id that was given."""
        return self._id

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """Return a tool for each tactic, by name.

        Args:
            ctx: The context of the agent's run.

        Raises:
            ValueError: Two tactics would have the same tool name.
            TacticRefError: Nothing is bound to a ref.
        """
        tools: dict[str, ToolsetTool[Any]] = {}
        retries = ctx.max_retries if self._max_retries is None else self._max_retries
        for entry in self._current():
            tactic = self._tactic(entry)
            name = entry.name or tool_name_of(tactic)
            if name in tools:
                raise ValueError(
                    f"two tactics have the tool name `{name}`; hand TacticToolset a mapping of names to tactics."
                )
            info = await self._info(entry, tactic)
            mode = self._mode if has_fields(info.input_schema) else "task"
            definition = ToolDefinition(
                name=name,
                description=info.description or f"Run {name}.",
                parameters_json_schema=parameters_schema(info.input_schema, mode),
            )
            tools[name] = _TacticTool(
                toolset=self,
                tool_def=definition,
                max_retries=retries,
                args_validator=_ANY_OBJECT,
                entry=entry,
                mode=mode,
            )
        return tools

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Run the tactic behind a tool.

        Args:
            name: Name of the tool.
            tool_args: Arguments that the model gave.
            ctx: The context of the agent's run.
            tool: The tool, as `get_tools` returned it.

        Raises:
            ModelRetry: The arguments do not match the tactic's input.
        """
        assert isinstance(tool, _TacticTool)
        target = tool.entry.target
        value = tool_args if tool.mode == "kwargs" else tool_args.get("task")
        try:
            if isinstance(target, str):
                assert self._resolver is not None
                return await self._resolver.arun(target, value)
            return await target.arun(value)
        except SchemaError as error:
            if error.direction != "input":
                raise
            raise ModelRetry(str(error)) from error

    def _current(self) -> list[_Entry]:
        if self._entries is not None:
            return self._entries
        assert self._resolver is not None
        return [_Entry(ref, None) for ref in self._resolver.refs()]

    def _tactic(self, entry: _Entry) -> Tactic[Any, Any]:
        if isinstance(entry.target, Tactic):
            return entry.target
        assert self._resolver is not None
        return self._resolver.resolve(entry.target)

    async def _info(self, entry: _Entry, tactic: Tactic[Any, Any]) -> TacticInfo:
        """Return what a tactic says about itself; a service that has not been asked yet is asked once."""
        key = entry.target if isinstance(entry.target, str) else id(entry.target)
        info = self._infos.get(key)
        if info is None:
            info = tactic.info()
            ask = getattr(tactic, "afetch_info", None)
            if info.input_schema is None and ask is not None:
                info = await ask()
            self._infos[key] = info
        return info


@dataclass(kw_only=True)
class _TacticTool(ToolsetTool[Any]):
    """A tool that knows its tactic, and how the input comes."""

    entry: _Entry
    mode: ParameterMode


def _target(item: Any) -> Tactic[Any, Any] | str:
    if isinstance(item, Tactic):
        return item
    if isinstance(item, (str, TacticRef)):
        return str(TacticRef.parse(item))
    raise TypeError(f"tactics must be tactics or psi:// refs, got {type(item).__name__}.")

"""`Prompt`: a template together with the tools, the parser and the format that go with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from lllm_runtime_agents.function import Function
from lllm_runtime_agents.handlers import BaseHandler, DefaultSimpleHandler
from lllm_runtime_agents.mcp import MCP
from lllm_runtime_agents.parsers import BaseParser, run_parser
from lllm_runtime_agents.registry import default_registry
from lllm_runtime_agents.template import BaseRenderer, StringFormatterRenderer, inline_template

if TYPE_CHECKING:
    from lllm.session import AgentCallSession

__all__ = ["Prompt", "bare_prompt", "inline_prompt", "register_prompt"]

_STRING_FORMAT = StringFormatterRenderer()


class Prompt(BaseModel):
    """A template and what belongs to it; call it with the variables to get the text.

    Attributes:
        path: Name under which it is registered and shows up in sessions.
        prompt: The template: `{name}` is a variable, `{{` and `}}` are braces.
        metadata: Anything else about it.
        parser: Reads the reply: a `BaseParser` or a callable `(content, **args)`.
        format: What the reply must be: a pydantic class or a JSON schema.
        function_list: Tools that are offered: `Function` objects or tool references.
        mcp_servers_list: MCP servers that the provider may use.
        addon_args: Settings of the provider's own tools, such as `web_search`.
        handler: Decides what is said after a bad reply and after tools ran.
        renderer: Turns the template into text.
    """

    model_config = ConfigDict(defer_build=True, arbitrary_types_allowed=True, extra="forbid")

    path: str
    prompt: str
    metadata: dict[str, Any] = Field(default_factory=dict)
    parser: BaseParser | Callable[..., Any] | None = None
    format: Any = None
    function_list: list[Function | str] = Field(default_factory=list)
    mcp_servers_list: list[MCP] = Field(default_factory=list)
    addon_args: dict[str, Any] = Field(default_factory=dict)
    handler: BaseHandler = Field(default_factory=DefaultSimpleHandler)
    renderer: BaseRenderer = Field(default_factory=lambda: _STRING_FORMAT)

    _root_path: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.renderer.variables(self.prompt)
        if not (self.format is None or isinstance(self.format, (type, Mapping))):
            raise ValueError(
                f"format must be a pydantic class or a JSON schema, got {type(self.format).__name__}"
            )
        return self

    @property
    def template_vars(self) -> set[str]:
        """Names of the variables that the template needs."""
        return set(self.renderer.variables(self.prompt))

    @property
    def functions(self) -> dict[str, Function]:
        """The offered tools by name; tool references are resolved."""
        return {function.name: function for function in map(self._resolved, self.function_list)}

    @property
    def mcp_servers(self) -> dict[str, MCP]:
        """The MCP servers by label."""
        return {server.server_label: server for server in self.mcp_servers_list}

    @property
    def allow_web_search(self) -> bool:
        """Whether the provider may search the web by itself."""
        return bool(self.addon_args.get("web_search", False))

    @property
    def computer_use_config(self) -> dict[str, Any]:
        """Settings of the provider's computer use, empty when it is off."""
        return dict(self.addon_args.get("computer_use") or {})

    def __call__(self, **values: Any) -> str:
        """Render the template.

        Args:
            **values: A value for every variable; others are ignored.

        Raises:
            ValueError: A variable is missing.
        """
        missing = self.validate_args(values)
        if missing:
            raise ValueError(
                f"Missing required template variables: {missing} for prompt {self.path}, "
                f"please provide: {', '.join(missing)}"
            )
        return self.renderer.render(self.prompt, values)

    def validate_args(self, values: Mapping[str, Any]) -> list[str]:
        """Return the sorted names of the variables that have no value.

        Args:
            values: The values at hand.
        """
        return sorted(self.renderer.variables(self.prompt) - values.keys())

    def parse(self, content: str, **runtime_args: Any) -> dict[str, Any]:
        """Read a reply with the prompt's parser; the result always holds `raw`.

        Args:
            content: The model's text.
            **runtime_args: Passed on to the parser.

        Raises:
            ParseError: The reply is malformed.
        """
        return run_parser(self.parser, content, runtime_args)

    def link_function(self, name: str, function: Callable[..., Any]) -> None:
        """Put a callable behind a declared tool.

        Args:
            name: Name of the tool.
            function: The callable.

        Raises:
            KeyError: No tool of that name is declared.
            TypeError: `function` is not callable.
        """
        declared = self.functions
        if name not in declared:
            raise KeyError(
                f"Function '{name}' not declared on prompt '{self.path}'. Available: {sorted(declared)}"
            )
        declared[name].link_function(function)

    def get_function(self, name: str) -> Function:
        """Return a declared tool.

        Args:
            name: Name of the tool.

        Raises:
            KeyError: No tool of that name is declared.
        """
        declared = self.functions
        if name not in declared:
            raise KeyError(
                f"Function '{name}' not found on prompt '{self.path}'. Available: {sorted(declared)}"
            )
        return declared[name]

    def register_mcp_server(self, server: MCP) -> None:
        """Offer an MCP server; one of the same label is replaced.

        Args:
            server: The server.
        """
        others = [each for each in self.mcp_servers_list if each.server_label != server.server_label]
        self.mcp_servers_list = [*others, server]

    def on_exception(self, session: AgentCallSession) -> Prompt:
        """Return the prompt that asks for a repair."""
        return self.handler.on_exception(self, session)

    def on_interrupt(self, session: AgentCallSession) -> Prompt:
        """Return the prompt that carries a tool's result."""
        return self.handler.on_interrupt(self, session)

    def on_interrupt_final(self, session: AgentCallSession) -> Prompt:
        """Return the prompt after which no tools are offered."""
        return self.handler.on_interrupt_final(self, session)

    def extend(self, *, path: str | None = None, **overrides: Any) -> Self:
        """Return a changed prompt of the same class; maps and lists are copied.

        Args:
            path: Name of the new prompt.
            **overrides: Fields that differ.

        Raises:
            ValueError: There is no path, or a field is unknown or malformed.
        """
        if not path:
            raise ValueError("extend() requires a new 'path'")
        fields = {name: _copied(getattr(self, name)) for name in type(self).model_fields}
        return type(self)(**{**fields, **overrides, "path": path})

    def derive(self, suffix: str, text: str, **overrides: Any) -> Self:
        """Return the prompt with which a handler goes on; its name is made from the root prompt's.

        Args:
            suffix: What the prompt is for: `exception`, `interrupt`.
            text: Its template.
            **overrides: Fields that differ.
        """
        root = self._root_path or self.path
        derived = self.extend(path=f"__{root}_{suffix}", prompt=text, renderer=_STRING_FORMAT, **overrides)
        derived._root_path = root
        return derived

    def with_functions(self, functions: list[Function]) -> Self:
        """Return this prompt with further tools; those it declares itself win.

        Args:
            functions: The tools to add.
        """
        if not functions:
            return self
        declared = self.functions
        added = [function for function in functions if function.name not in declared]
        return self.model_copy(update={"function_list": [*self.function_list, *added]}) if added else self

    def info_dict(self) -> dict[str, Any]:
        """Return what identifies the prompt in logs."""
        return {
            "path": self.path,
            "prompt_hash": sha256(self.prompt.encode()).hexdigest()[:12],
            "metadata": self.metadata,
            "functions": sorted(self.functions),
            "mcp_servers": sorted(self.mcp_servers),
            "addon_args": self.addon_args,
            "has_parser": self.parser is not None,
            "has_format": self.format is not None,
        }

    def _resolved(self, function: Function | str) -> Function:
        if isinstance(function, Function):
            return function
        from lllm_runtime_agents.tool_refs import resolve_tool

        resolved = resolve_tool(function)
        self.function_list[self.function_list.index(function)] = resolved
        return resolved


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    return list(value) if isinstance(value, list) else value


@cache
def bare_prompt() -> Prompt:
    """Return the prompt of a dialog that has none: no tools, no parser, no format."""
    return Prompt(path="__bare", prompt="")


def inline_prompt(text: str, path: str) -> Prompt:
    """Make a prompt of a text from a config, reading its braces leniently.

    Args:
        text: The text; see `inline_template`.
        path: Name of the prompt.
    """
    return Prompt(path=path, prompt=inline_template(text))


def register_prompt(prompt: Prompt, overwrite: bool = True) -> None:
    """Register a prompt in the default registry.

    Args:
        prompt: The prompt; its `path` is the key.
        overwrite: Whether a prompt of that name is replaced.

    Raises:
        ValueError: The name is taken and `overwrite` is false.
    """
    default_registry().register_prompt(prompt, overwrite=overwrite)

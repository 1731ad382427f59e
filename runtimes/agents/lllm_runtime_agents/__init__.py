"""Native agent groups for LLLM: agents, prompts, dialogs, tools, and the invokers that ask models.

Importing `lllm_runtime_agents.plugin` imports this package first, so the names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_runtime_agents.agent import Agent
    from lllm_runtime_agents.agent_config import AgentSpec, parse_agent_configs
    from lllm_runtime_agents.blocks import find_md_blocks, find_xml_blocks
    from lllm_runtime_agents.context_manager import ContextManager, DefaultContextManager
    from lllm_runtime_agents.dialog import Dialog
    from lllm_runtime_agents.dialog_tree import DialogTreeNode
    from lllm_runtime_agents.errors import AgentException, InvokerError, ParseError
    from lllm_runtime_agents.function import Function, default_processor, tool
    from lllm_runtime_agents.function_call import FunctionCall
    from lllm_runtime_agents.handlers import BaseHandler, DefaultSimpleHandler
    from lllm_runtime_agents.invoker import BaseInvoker, BaseStreamHandler, InvokerBuilder, InvokeResult
    from lllm_runtime_agents.invokers import build_invoker, register_invoker
    from lllm_runtime_agents.log_backends import LocalFileBackend, LogBackend, NoOpBackend
    from lllm_runtime_agents.log_records import SessionRecord, SessionSummary
    from lllm_runtime_agents.log_setup import setup_logging
    from lllm_runtime_agents.log_sqlite import SQLiteBackend
    from lllm_runtime_agents.log_store import LogStore, local_store, noop_store, sqlite_store
    from lllm_runtime_agents.mcp import MCP
    from lllm_runtime_agents.message import Message, TokenLogprob
    from lllm_runtime_agents.mock_invoker import MockInvoker
    from lllm_runtime_agents.native_adapter import NativeTacticAdapter
    from lllm_runtime_agents.observers import Observer, observe
    from lllm_runtime_agents.parsers import BaseParser, DefaultTagParser
    from lllm_runtime_agents.prompt import Prompt, register_prompt
    from lllm_runtime_agents.registry import Registry, ResourceRegistry, default_registry
    from lllm_runtime_agents.replies import read_arguments, read_reply
    from lllm_runtime_agents.roles import LLM_SIDE_ROLES, APITypes, Invokers, Modalities, Roles
    from lllm_runtime_agents.single_agent import quick
    from lllm_runtime_agents.skills import Skill, find_skills
    from lllm_runtime_agents.span_observer import SpanObserver
    from lllm_runtime_agents.template import BaseRenderer, StringFormatterRenderer
    from lllm_runtime_agents.tool_refs import tactic_as_function

__all__ = [
    "APITypes",
    "Agent",
    "AgentException",
    "AgentSpec",
    "BaseHandler",
    "BaseInvoker",
    "BaseParser",
    "BaseRenderer",
    "BaseStreamHandler",
    "ContextManager",
    "DefaultContextManager",
    "DefaultSimpleHandler",
    "DefaultTagParser",
    "Dialog",
    "DialogTreeNode",
    "Function",
    "FunctionCall",
    "InvokeResult",
    "InvokerBuilder",
    "InvokerError",
    "Invokers",
    "LLM_SIDE_ROLES",
    "LocalFileBackend",
    "LogBackend",
    "LogStore",
    "MCP",
    "Message",
    "MockInvoker",
    "Modalities",
    "NativeTacticAdapter",
    "NoOpBackend",
    "Observer",
    "ParseError",
    "Prompt",
    "Registry",
    "ResourceRegistry",
    "Roles",
    "SQLiteBackend",
    "SessionRecord",
    "SessionSummary",
    "Skill",
    "SpanObserver",
    "StringFormatterRenderer",
    "TokenLogprob",
    "build_invoker",
    "default_processor",
    "default_registry",
    "find_md_blocks",
    "find_skills",
    "find_xml_blocks",
    "local_store",
    "noop_store",
    "observe",
    "parse_agent_configs",
    "quick",
    "read_arguments",
    "read_reply",
    "register_invoker",
    "register_prompt",
    "setup_logging",
    "sqlite_store",
    "tactic_as_function",
    "tool",
]

_MODULES = {
    "APITypes": "roles",
    "Agent": "agent",
    "AgentException": "errors",
    "AgentSpec": "agent_config",
    "BaseHandler": "handlers",
    "BaseInvoker": "invoker",
    "BaseParser": "parsers",
    "BaseRenderer": "template",
    "BaseStreamHandler": "invoker",
    "ContextManager": "context_manager",
    "DefaultContextManager": "context_manager",
    "DefaultSimpleHandler": "handlers",
    "DefaultTagParser": "parsers",
    "Dialog": "dialog",
    "DialogTreeNode": "dialog_tree",
    "Function": "function",
    "FunctionCall": "function_call",
    "InvokeResult": "invoker",
    "InvokerBuilder": "invoker",
    "InvokerError": "errors",
    "Invokers": "roles",
    "LLM_SIDE_ROLES": "roles",
    "LocalFileBackend": "log_backends",
    "LogBackend": "log_backends",
    "LogStore": "log_store",
    "MCP": "mcp",
    "Message": "message",
    "MockInvoker": "mock_invoker",
    "Modalities": "roles",
    "NativeTacticAdapter": "native_adapter",
    "NoOpBackend": "log_backends",
    "Observer": "observers",
    "ParseError": "errors",
    "Prompt": "prompt",
    "Registry": "registry",
    "ResourceRegistry": "registry",
    "Roles": "roles",
    "SQLiteBackend": "log_sqlite",
    "SessionRecord": "log_records",
    "SessionSummary": "log_records",
    "Skill": "skills",
    "SpanObserver": "span_observer",
    "StringFormatterRenderer": "template",
    "TokenLogprob": "message",
    "build_invoker": "invokers",
    "default_processor": "function",
    "default_registry": "registry",
    "find_md_blocks": "blocks",
    "find_skills": "skills",
    "find_xml_blocks": "blocks",
    "local_store": "log_store",
    "noop_store": "log_store",
    "observe": "observers",
    "parse_agent_configs": "agent_config",
    "quick": "single_agent",
    "read_arguments": "replies",
    "read_reply": "replies",
    "register_invoker": "invokers",
    "register_prompt": "prompt",
    "setup_logging": "log_setup",
    "sqlite_store": "log_store",
    "tactic_as_function": "tool_refs",
    "tool": "function",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

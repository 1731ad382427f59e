"""LLLM: a typed boundary around agentic work; everything behind it is a plugin.

`import lllm` imports almost nothing. Public names are resolved on first access: those of the core from its
modules, those that belong to a plugin through one table that knows which distribution to install.
"""

from lllm._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lllm import plugins
    from lllm.adapt import as_tactic
    from lllm.calls import current_call
    from lllm.context import CallContext
    from lllm.errors import (
        BudgetExceeded,
        ConfigError,
        CredentialNotFoundError,
        DeadlineExceeded,
        LLLMError,
        PluginConflictError,
        PluginError,
        PluginImportError,
        PluginNotFoundError,
        ProtocolError,
        SchemaError,
        TacticError,
        TacticLoadError,
        TacticRefError,
        TacticServiceError,
        TacticUnsupportedError,
    )
    from lllm.events import TacticEvent
    from lllm.hookspecs import Runtime, RuntimeSpec, StoreSpec, hookimpl, hookspec
    from lllm.refs import TacticRef
    from lllm.resolver import TacticResolver
    from lllm.session import (
        AgentCallSession,
        InvokeCost,
        TacticCallSession,
        current_session,
        record_usage,
    )
    from lllm.store import open_store
    from lllm.tactic import (
        EndpointSpec,
        Tactic,
        TacticInfo,
        build_tactic,
        endpoint,
        get_tactic_class,
        register_tactic_class,
    )
    from lllm.trace import CallResult, CallTrace

_CORE = {
    "AgentCallSession": "lllm.session",
    "BudgetExceeded": "lllm.errors",
    "CallContext": "lllm.context",
    "CallResult": "lllm.trace",
    "CallTrace": "lllm.trace",
    "ConfigError": "lllm.errors",
    "CredentialNotFoundError": "lllm.errors",
    "DeadlineExceeded": "lllm.errors",
    "EndpointSpec": "lllm.tactic",
    "InvokeCost": "lllm.session",
    "LLLMError": "lllm.errors",
    "PluginConflictError": "lllm.errors",
    "PluginError": "lllm.errors",
    "PluginImportError": "lllm.errors",
    "PluginNotFoundError": "lllm.errors",
    "ProtocolError": "lllm.errors",
    "Runtime": "lllm.hookspecs",
    "RuntimeSpec": "lllm.hookspecs",
    "SchemaError": "lllm.errors",
    "StoreSpec": "lllm.hookspecs",
    "Tactic": "lllm.tactic",
    "TacticCallSession": "lllm.session",
    "TacticError": "lllm.errors",
    "TacticEvent": "lllm.events",
    "TacticInfo": "lllm.tactic",
    "TacticLoadError": "lllm.errors",
    "TacticRef": "lllm.refs",
    "TacticRefError": "lllm.errors",
    "TacticResolver": "lllm.resolver",
    "TacticServiceError": "lllm.errors",
    "TacticUnsupportedError": "lllm.errors",
    "as_tactic": "lllm.adapt",
    "build_tactic": "lllm.tactic",
    "current_call": "lllm.calls",
    "current_session": "lllm.session",
    "endpoint": "lllm.tactic",
    "get_tactic_class": "lllm.tactic",
    "hookimpl": "lllm.hookspecs",
    "hookspec": "lllm.hookspecs",
    "open_store": "lllm.store",
    "record_usage": "lllm.session",
    "register_tactic_class": "lllm.tactic",
}

__all__ = [
    "AgentCallSession",
    "BudgetExceeded",
    "CallContext",
    "CallResult",
    "CallTrace",
    "ConfigError",
    "CredentialNotFoundError",
    "DeadlineExceeded",
    "EndpointSpec",
    "InvokeCost",
    "LLLMError",
    "PluginConflictError",
    "PluginError",
    "PluginImportError",
    "PluginNotFoundError",
    "ProtocolError",
    "Runtime",
    "RuntimeSpec",
    "SchemaError",
    "StoreSpec",
    "Tactic",
    "TacticCallSession",
    "TacticError",
    "TacticEvent",
    "TacticInfo",
    "TacticLoadError",
    "TacticRef",
    "TacticRefError",
    "TacticResolver",
    "TacticServiceError",
    "TacticUnsupportedError",
    "__version__",
    "as_tactic",
    "build_tactic",
    "current_call",
    "current_session",
    "endpoint",
    "get_tactic_class",
    "hookimpl",
    "hookspec",
    "open_store",
    "plugins",
    "record_usage",
    "register_tactic_class",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "plugins":
        return import_module("lllm.plugins")
    module = _CORE.get(name)
    if module is None:
        from lllm.forwarded import forward

        value = forward(name)
    else:
        value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    from lllm.forwarded import FORWARDED

    return sorted({*__all__, *FORWARDED})

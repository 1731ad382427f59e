"""The one table of public names that belong to plugins but are imported from `lllm`.

This is the only place where the core knows plugins by name, and it imports them only when such a name is used.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["FORWARDED", "forward"]

# Import package, what the error calls it, and what to pip install.
_AGENTS = ("lllm_runtime_agents", "the agents runtime", "lllm-runtime-agents")
_CALLABLE = ("lllm_runtime_callable", "the callable runtime", "lllm-runtime-callable")
_PACKAGES = ("lllm_packages", "the packages plugin", "lllm-packages")
_PYDANTIC_AI = ("lllm_runtime_pydantic_ai", "the Pydantic AI runtime", "'lllm[pydantic-ai]'")
_REMOTE = ("lllm_runtime_remote", "the remote runtime", "'lllm[client]'")
_SERVE = ("lllm_serve", "the serve plugin", "'lllm[server]'")
_WRAPPERS = ("lllm_wrappers", "the wrappers plugin", "lllm-wrappers")

_NAMES = {
    _AGENTS: (
        "Agent AgentSpec BaseInvoker BaseParser BaseStreamHandler DefaultTagParser Dialog Function FunctionCall "
        "InvokerBuilder LocalFileBackend LogStore MCP Message NativeTacticAdapter NoOpBackend ParseError Prompt "
        "SQLiteBackend build_invoker find_md_blocks find_xml_blocks parse_agent_configs register_invoker "
        "register_prompt setup_logging tactic_as_function tool"
    ),
    _CALLABLE: "CallableTactic",
    _PACKAGES: (
        "PackageInfo ResourceNode create_project export_package find_config_file get_default_runtime get_runtime "
        "install_package list_packages load_config load_cwd_fallback load_package load_prompt load_resource "
        "load_runtime load_tactic remove_package resolve_config set_default_runtime vendor_config"
    ),
    _PYDANTIC_AI: "PydanticAITactic tactic_as_tool",
    _REMOTE: "RemoteTactic RemoteTacticError",
    _SERVE: "create_service_app create_tactic_app",
    _WRAPPERS: (
        "ErrorHook InMemoryProxyLog ProxyRecord ProxyTactic RecordSink SandboxError SandboxLimitError "
        "SandboxPolicy SandboxTimeoutError SandboxedTactic ValueHook proxy_tactic sandbox_tactic"
    ),
}

FORWARDED: dict[str, tuple[str, str, str]] = {
    name: owner for owner, names in _NAMES.items() for name in names.split()
}


def forward(name: str, asked_of: str = "lllm") -> object:
    """Return a public name that a plugin owns.

    Args:
        name: The name that was asked of `lllm`.
        asked_of: The module it was asked of, for the error.

    Raises:
        AttributeError: No plugin known to the core owns it.
        ImportError: The plugin is not installed; the text says what to install.
    """
    owner = FORWARDED.get(name)
    if owner is None:
        raise AttributeError(f"module {asked_of!r} has no attribute {name!r}")
    package, title, install = owner
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ImportError(f"{name} needs {title}: pip install {install}", name=package) from error
    value: object = getattr(module, name)
    return value

"""The one table of public names that belong to plugins but are imported from `lllm`.

This is the only place where the core knows plugins by name, and it imports them only when such a name is used.
"""

from __future__ import annotations

from importlib import import_module

import lllm.distributions as known
from lllm.distributions import Distribution

__all__ = ["FORWARDED", "forward"]

_NAMES = {
    known.AGENTS: (
        "Agent AgentSpec BaseInvoker BaseParser BaseStreamHandler DefaultTagParser Dialog Function FunctionCall "
        "InvokerBuilder LocalFileBackend LogStore MCP Message NativeTacticAdapter NoOpBackend ParseError Prompt "
        "SQLiteBackend build_invoker find_md_blocks find_xml_blocks parse_agent_configs register_invoker "
        "register_prompt setup_logging tactic_as_function tool"
    ),
    known.CALLABLE: "CallableTactic",
    known.PACKAGES: (
        "PackageInfo ResourceNode create_project export_package find_config_file get_default_runtime get_runtime "
        "install_package list_packages load_config load_cwd_fallback load_package load_prompt load_resource "
        "load_runtime load_tactic remove_package resolve_config set_default_runtime vendor_config"
    ),
    known.PYDANTIC_AI: "PydanticAITactic tactic_as_tool",
    known.REMOTE: "RemoteTactic RemoteTacticError",
    known.SERVE: "create_service_app create_tactic_app",
    known.WRAPPERS: (
        "ErrorHook InMemoryProxyLog ProxyRecord ProxyTactic RecordSink SandboxError SandboxLimitError "
        "SandboxPolicy SandboxTimeoutError SandboxedTactic ValueHook proxy_tactic sandbox_tactic"
    ),
}

FORWARDED: dict[str, Distribution] = {
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
    try:
        module = import_module(owner.package)
    except ModuleNotFoundError as error:
        if error.name != owner.package:
            raise
        raise ImportError(f"{name} needs {owner.title}: {owner.install}", name=owner.package) from error
    value: object = getattr(module, name)
    return value

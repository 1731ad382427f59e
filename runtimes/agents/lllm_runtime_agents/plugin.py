"""The plugin `agents`: the runtime of agent groups, and the hook for invokers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lllm
from lllm_runtime_agents import hookspecs

if TYPE_CHECKING:
    from lllm.plugins import PluginManager


@lllm.hookimpl
def lllm_add_hookspecs(manager: PluginManager) -> None:
    """Add the hook `lllm_invokers`."""
    manager.add_hookspecs(hookspecs)


@lllm.hookimpl
def lllm_runtimes() -> list[lllm.RuntimeSpec]:
    """Contribute the runtime `agents`."""
    return [
        lllm.RuntimeSpec(
            name="agents",
            target="lllm_runtime_agents.runtime:AgentsRuntime",
            summary="Native agent groups: agents, prompts, dialogs and tools.",
            claims=("agent_group",),
            install="lllm-runtime-agents",
        )
    ]

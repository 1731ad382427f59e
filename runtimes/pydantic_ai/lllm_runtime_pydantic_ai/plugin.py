"""What this plugin contributes; importing it imports nothing of the implementation."""

from __future__ import annotations

import lllm


@lllm.hookimpl
def lllm_runtimes() -> list[lllm.RuntimeSpec]:
    """Contribute the runtime `pydantic-ai`."""
    return [
        lllm.RuntimeSpec(
            name="pydantic-ai",
            target="lllm_runtime_pydantic_ai.runtime:PydanticAIRuntime",
            summary="Pydantic AI agents as tactics.",
            claims=("agent",),
            adapts=("pydantic_ai.agent.abstract.AbstractAgent", "pydantic_ai.agent.AbstractAgent"),
            install="pydantic-ai-slim>=2.40,<3",
        )
    ]

"""What this plugin contributes; importing it imports nothing of the implementation."""

from __future__ import annotations

import lllm


@lllm.hookimpl
def lllm_runtimes() -> list[lllm.RuntimeSpec]:
    """Contribute the runtime `callable`."""
    return [
        lllm.RuntimeSpec(
            name="callable",
            target="lllm_runtime_callable.runtime:CallableRuntime",
            summary="Any Python callable as a tactic.",
            adapts=(
                "builtins.function",
                "builtins.method",
                "builtins.builtin_function_or_method",
                "functools.partial",
                "builtins.type",
                # Last in every method resolution order: objects with `__call__` that no other runtime knows.
                "builtins.object",
            ),
        )
    ]

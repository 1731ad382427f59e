"""What this plugin contributes; importing it imports nothing of the implementation."""

from __future__ import annotations

import lllm


@lllm.hookimpl
def lllm_runtimes() -> list[lllm.RuntimeSpec]:
    """Contribute the runtime `remote`."""
    return [
        lllm.RuntimeSpec(
            name="remote",
            target="lllm_runtime_remote.runtime:RemoteRuntime",
            summary="A tactic behind HTTP.",
            schemes=("http", "https"),
            install="pip install 'lllm[client]'",
        )
    ]

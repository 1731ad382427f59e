"""What this plugin contributes; importing it imports nothing of the implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lllm

if TYPE_CHECKING:
    import click


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


@lllm.hookimpl
def lllm_commands(cli: click.Group) -> None:
    """Add the command `call`."""
    from lllm_runtime_remote.command import call

    cli.add_command(call)

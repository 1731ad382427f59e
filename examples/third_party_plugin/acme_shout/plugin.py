"""What this plugin contributes; importing it imports nothing of the implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lllm

if TYPE_CHECKING:
    import click


@lllm.hookimpl
def lllm_runtimes() -> list[lllm.RuntimeSpec]:
    """Contribute the runtime `shout`."""
    return [
        lllm.RuntimeSpec(
            name="shout",
            target="acme_shout.runtime:ShoutRuntime",
            summary="Shouts.",
            claims=("megaphone",),
            adapts=("acme_shout.megaphone.Megaphone",),
            schemes=("shout",),
        )
    ]


@lllm.hookimpl
def lllm_stores() -> list[lllm.StoreSpec]:
    """Contribute the store `memory`."""
    return [
        lllm.StoreSpec(
            name="memory",
            target="acme_shout.store:open_memory",
            summary="Keeps everything in this process.",
            schemes=("memory",),
        )
    ]


@lllm.hookimpl
def lllm_tactics() -> dict[str, str]:
    """Contribute a tactic under its ref."""
    return {"psi://acme/shout/tactics/shout": "acme_shout.tactics:Shout"}


@lllm.hookimpl
def lllm_commands(cli: click.Group) -> None:
    """Add the command `shout`."""
    from acme_shout.commands import shout

    cli.add_command(shout)

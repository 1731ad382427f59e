"""What this plugin contributes; importing it imports nothing of the implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lllm

if TYPE_CHECKING:
    import click


@lllm.hookimpl
def lllm_commands(cli: click.Group) -> None:
    """Add the command `process`."""
    from lllm_process.options import process

    cli.add_command(process)

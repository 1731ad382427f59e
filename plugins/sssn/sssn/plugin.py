"""The hooks of this plugin: `lllm sssn ...` runs the `sssn` command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lllm

if TYPE_CHECKING:
    import click


@lllm.hookimpl
def lllm_commands(cli: click.Group) -> None:
    """Add the command `sssn` with all its subcommands to `lllm`."""
    import click

    @cli.command(
        "sssn",
        short_help="Work with channels, subscriptions, artifacts and snapshots.",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def sssn(arguments: tuple[str, ...]) -> int:
        from sssn.cli import main

        raise SystemExit(main(list(arguments)))

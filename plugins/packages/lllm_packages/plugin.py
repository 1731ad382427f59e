"""What this plugin contributes: the commands `pkg` and `create`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lllm

if TYPE_CHECKING:
    import click


@lllm.hookimpl
def lllm_commands(cli: click.Group) -> None:
    """Add the commands.

    Args:
        cli: The group of the program `lllm`.
    """
    from lllm_packages.create_command import create
    from lllm_packages.pkg_command import pkg

    cli.add_command(pkg)
    cli.add_command(create)

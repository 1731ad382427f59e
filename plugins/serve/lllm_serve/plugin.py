"""What this plugin contributes: the command `serve`, and hooks that extend a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lllm
from lllm_serve import hookspecs

if TYPE_CHECKING:
    import click

    from lllm.plugins import PluginManager


@lllm.hookimpl
def lllm_add_hookspecs(manager: PluginManager) -> None:
    """Add the hooks `lllm_serve_app` and `lllm_serve_auth`.

    Args:
        manager: The manager that loads the plugin.
    """
    # A plugin that fails while it authenticates must refuse the request, not be left out.
    manager.add_hookspecs(hookspecs, propagate=("lllm_serve_auth",))


@lllm.hookimpl
def lllm_commands(cli: click.Group) -> None:
    """Add the command `serve`.

    Args:
        cli: The group of the program `lllm`.
    """
    from lllm_serve.command import serve

    cli.add_command(serve)

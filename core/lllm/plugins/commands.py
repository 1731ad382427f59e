"""Commands that plugins add to the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from lllm.errors import PluginConflictError, PluginError
from lllm.plugins.contests import Claim, conflict_text

__all__ = ["collect_commands", "install_commands"]


def collect_commands(group: click.Group, implement: Callable[..., Any]) -> dict[str, click.Command]:
    """Ask one plugin for its commands without letting them into the group yet.

    The plugin sees the group as the program made it; what it adds or replaces is returned and taken back.

    Args:
        group: The group of the program.
        implement: The plugin's `lllm_commands`.

    Raises:
        PluginError: It replaced one of the program's own commands, or added what is not a command.
    """
    own = dict(group.commands)
    try:
        implement(group)
        added = {name: command for name, command in group.commands.items() if own.get(name) is not command}
    finally:
        group.commands.clear()
        group.commands.update(own)
    for name, command in added.items():
        if name in own:
            raise PluginError(
                f"`lllm_commands` replaces the command `{name}`, which is not the plugin's own."
            )
        if not isinstance(command, click.Command):
            raise PluginError(
                f"`lllm_commands` added `{name}`, which is a {type(command).__name__}, not a command."
            )
    return added


def install_commands(group: click.Group, index: Mapping[str, Iterable[Claim]]) -> None:
    """Put the commands of all plugins into the group; a contested one says so when it is called.

    Args:
        group: The group of the program.
        index: Who contributes each command.
    """
    for name, found in index.items():
        claims = tuple(found)
        if len(claims) == 1:
            group.add_command(claims[0].value, name)
        else:
            group.add_command(_contested(name, claims))


def _contested(name: str, claims: tuple[Claim, ...]) -> click.Command:
    def refuse() -> None:
        raise PluginConflictError(conflict_text("command", name, claims), plugin=claims[0].entry.name)

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    help_text = f"Contested: {', '.join(claim.entry.name for claim in claims)}."
    return click.Command(
        name, callback=refuse, help=help_text, context_settings=settings, add_help_option=False
    )

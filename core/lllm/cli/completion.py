"""`lllm completion`: the script that makes a shell complete commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands in a shell.

    Put `eval "$(lllm completion bash)"` into ~/.bashrc, `eval "$(lllm completion zsh)"` into ~/.zshrc, or
    `lllm completion fish | source` into ~/.config/fish/config.fish.
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"click has no completion for {shell}.")
    click.echo(script(ctx.find_root().command, {}, "lllm", "_LLLM_COMPLETE").source())

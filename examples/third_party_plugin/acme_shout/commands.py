"""The command `lllm shout`."""

from __future__ import annotations

import click

from acme_shout.megaphone import Megaphone


@click.command("shout")
@click.argument("text")
@click.option("--marks", type=click.IntRange(min=0), default=1, show_default=True, help="Exclamation marks.")
def shout(text: str, marks: int) -> None:
    """Say TEXT in capital letters."""
    click.echo(Megaphone(marks).say(text))

"""`lllm inspect`: the contract of a tactic."""

from __future__ import annotations

import json

import click

from lllm.cli.targets import load_named_tactic
from lllm.tactic import tactic_resource

__all__ = ["inspect"]


@click.command()
@click.argument("entry", metavar="ENTRY_OR_REF")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def inspect(entry: str, as_json: bool) -> None:
    """Show the contract of a tactic.

    A function without parameters is called only when it says that it makes a tactic: by its return annotation, or
    by a name that begins with build_, create_ or make_.
    """
    resource = tactic_resource(load_named_tactic(entry, declared_only=True).tactic)
    if as_json:
        click.echo(json.dumps(resource, indent=2, sort_keys=True))
        return
    click.echo(f"{resource['name']} ({resource['runtime']})")
    if resource["description"]:
        click.echo(resource["description"])
    click.echo(f"capabilities: {', '.join(sorted(resource['capabilities']))}")

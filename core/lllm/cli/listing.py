"""`lllm list`: the tactics that are known here."""

from __future__ import annotations

import json

import click

from lllm.cli.ref_states import read_ref_states
from lllm.cli.tables import print_table
from lllm.config import find_config, read_config
from lllm.plugins import manager

__all__ = ["list_tactics"]


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one array of objects.")
def list_tactics(as_json: bool) -> None:
    """List the tactics known from plugins and config.

    What the config binds goes before what a plugin contributes under the same ref.
    """
    known = {
        ref: ("plugin", target if isinstance(target, str) else type(target).__name__)
        for ref, target in manager().tactics().items()
    }
    path = find_config()
    if path is not None:
        for state in read_ref_states(read_config(path), path, sections=("tactics",)):
            known[state.ref] = ("config", state.target or f"not usable: {state.problem}")
    rows = [(ref, *known[ref]) for ref in sorted(known)]
    if as_json:
        click.echo(
            json.dumps([dict(zip(("ref", "source", "target"), row, strict=True)) for row in rows], indent=2)
        )
    elif rows:
        print_table(("REF", "SOURCE", "TARGET"), rows)
    else:
        click.echo(
            "No tactics are known here: install a plugin that has some, or bind a ref in .psi/config.toml."
        )

"""`lllm refs`: what the config binds, and what is missing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import click

from lllm.cli.ref_states import RefState, check_health, read_ref_states
from lllm.cli.tables import print_table
from lllm.config import CONFIG_FILE, find_config, read_config

__all__ = ["refs"]


@click.command()
@click.option(
    "--check", is_flag=True, help="Ask the health of each bound service; exit 1 when something is wrong."
)
@click.option("--json", "as_json", is_flag=True, help="Print one array of objects.")
def refs(check: bool, as_json: bool) -> None:
    """Show what the config binds and what is missing.

    The config is .psi/config.toml of the working directory. Nothing is opened; each ref is shown with what would
    open it.
    """
    path = find_config()
    if path is None and not as_json:
        click.echo(f"There is no {CONFIG_FILE} here; nothing is bound.")
        return
    states = [] if path is None else read_ref_states(read_config(path), path)
    healths = _healths(states) if check else [None] * len(states)
    if as_json:
        rows = [asdict(state) | {"health": health} for state, health in zip(states, healths, strict=True)]
        click.echo(json.dumps(rows, indent=2))
    elif not states:
        click.echo(f"{path} binds nothing.")
    else:
        print_table(
            ("REF", "TARGET", "OPENED BY", "STATE"),
            [
                (state.ref, state.target or "-", state.opener or "-", state.problem or health or "bound")
                for state, health in zip(states, healths, strict=True)
            ],
        )
    wrong = any(state.problem is not None for state in states) or any(h not in {None, "ok"} for h in healths)
    if check and wrong:
        raise click.exceptions.Exit(1)


def _healths(states: list[RefState]) -> list[str | None]:
    """Ask all services at once: the slowest decides how long it takes, and not their sum."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(check_health, states))

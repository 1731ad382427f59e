"""`lllm plugins`: which plugins are installed, what each contributes, whether they work, and how to start one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import click

from lllm.cli.tables import print_table
from lllm.plugins import Entry, PluginInfo, PluginManager, manager

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["plugins"]

_TROUBLE = {"broken", "conflict", "disabled", "incompatible"}


@click.group("plugins")
def plugins() -> None:
    """Show, check and start plugins."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one array of objects.")
@click.option("--all", "show_all", is_flag=True, help="Show disabled plugins too.")
def list_plugins(as_json: bool, show_all: bool) -> None:
    """List the installed plugins and what they contribute."""
    with _examined() as host:
        shown = [info for info in host.plugins() if show_all or info.state != "disabled"]
    if as_json:
        _print_json(shown)
    elif shown:
        rows = [
            (info.name, info.distribution or "-", info.version or "-", info.state, _summary(info))
            for info in shown
        ]
        print_table(("NAME", "DISTRIBUTION", "VERSION", "STATE", "CONTRIBUTES"), rows)
    else:
        click.echo("No plugins are installed. To get the usual ones: pip install 'lllm[standard]'")


@plugins.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one array of objects.")
def show_plugin(name: str, as_json: bool) -> None:
    """Show everything about one plugin.

    NAME is a plugin, or a distribution, of which all plugins are shown.
    """
    with _examined() as host:
        found = find_plugins(host, name)
        infos = [info for info in host.plugins() if any(_is_same(info, entry) for entry in found)]
    if as_json:
        _print_json(infos)
        return
    from lllm.cli.plugin_view import describe_plugin

    for info, entry in zip(infos, found, strict=True):
        click.echo(describe_plugin(info, entry))


@plugins.command("check")
@click.argument("name", required=False)
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds for each."
)
def check_plugins(name: str | None, timeout: float) -> None:
    """Import and check everything that plugins contribute.

    Without NAME all plugins are checked. Each is imported in a process of its own and compared with the protocols
    that it implements; exits with 1 when anything fails.
    """
    from lllm.cli.plugin_check import check

    host = manager()
    entries = find_plugins(host, name) if name is not None else host.entries()
    if not check(entries, host.plugins(), timeout=timeout, named=name is not None):
        raise click.exceptions.Exit(1)


@plugins.command("new")
@click.argument("kind", type=click.Choice(["runtime", "store", "tactic", "command"]))
@click.argument("name")
@click.option(
    "--directory", type=click.Path(file_okay=False), default=".", help="Where to put the project's folder."
)
def new_plugin(kind: str, name: str, directory: str) -> None:
    """Write a complete, tested plugin distribution.

    It contributes a runtime, store, tactic or command called NAME.
    """
    from lllm.cli.plugin_scaffold import create_plugin

    taken = {info.name for info in manager().plugins()}
    program = click.get_current_context().find_root().command
    own = program.commands if kind == "command" and isinstance(program, click.Group) else {}
    if name in taken or name in own:
        what = "A plugin" if name in taken else "A command"
        raise click.UsageError(f"{what} `{name}` is there already; choose another name.")
    try:
        folder: Path = create_plugin(kind, name, directory)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"created the {kind} plugin {name} in {folder}")
    click.echo(f"next: pip install -e {folder} && pytest {folder} && lllm plugins check {name}")


@plugins.command("hooks")
def show_hooks() -> None:
    """List the hooks, who specifies and who implements each."""
    with _quiet():
        hooks = manager().hooks()
    rows = [(hook.signature, hook.specified_by, ", ".join(hook.implemented_by) or "-") for hook in hooks]
    print_table(("HOOK", "SPECIFIED BY", "IMPLEMENTED BY"), rows)


def find_plugins(host: PluginManager, name: str) -> Sequence[Entry]:
    """Return the plugins that a name given by the user means.

    Args:
        host: The plugin manager.
        name: Name of a plugin or of a distribution.

    Raises:
        click.UsageError: Nothing is called that; the text names the closest plugin.
    """
    from difflib import get_close_matches

    from lllm.plugins.records import normalise

    entries = host.entries()
    named = [entry for entry in entries if entry.name == name]
    found = named or [entry for entry in entries if normalise(name) in entry.names]
    if found:
        return found
    known = sorted({entry.name for entry in entries})
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else "see `lllm plugins list --all`."
    raise click.UsageError(f"No plugin or distribution is called `{name}`; {hint}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what plugins print while they are loaded out of output that programs read."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def _examined() -> Iterator[PluginManager]:
    """Give the plugin manager after every plugin was asked for everything it contributes."""
    root = click.get_current_context().find_root().command
    program = root if isinstance(root, click.Group) and root is not plugins else None
    with _quiet():
        host = manager()
        host.examine(program)
        yield host


def _summary(info: PluginInfo) -> str:
    contributed = ", ".join(info.contributes)
    if info.error and info.state in _TROUBLE:
        error = info.error.splitlines()[0]
        return f"{contributed}; {error}" if contributed else error
    return contributed or "-"


def _is_same(info: PluginInfo, entry: Entry) -> bool:
    return (info.name, info.distribution, info.location) == (entry.name, entry.distribution, entry.location)


def _print_json(infos: Sequence[PluginInfo]) -> None:
    import json
    from dataclasses import asdict

    click.echo(json.dumps([asdict(info) for info in infos], indent=2))

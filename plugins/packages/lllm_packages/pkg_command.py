"""`lllm pkg`: installing, exporting, listing, removing and showing packages. None of it runs a package's code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["pkg"]

_NOTICE = "Notice: the Python code of `{name}` will run when its resources are used."


@contextmanager
def _reported() -> Iterator[None]:
    """Show warnings and errors as one line each on stderr; an error ends the program with code 1."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problem: Exception | None = None
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            problem = error
    for warning in caught:
        click.echo(f"Warning: {warning.message}", err=True)
    if problem is not None:
        click.echo(f"Error: {problem}", err=True)
        sys.exit(1)


@click.group(invoke_without_command=True)
@click.pass_context
def pkg(ctx: click.Context) -> None:
    """Install, export and inspect packages of prompts, configs and tactics."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_usage(), err=True)
        ctx.exit(1)


@pkg.command()
@click.argument("zip_path", metavar="ZIP")
@click.option("--alias", metavar="A", help="A second name for the package's resources.")
@click.option(
    "--scope", default="user", metavar="user|project", help="For the user (default) or the project."
)
@click.option("--no-load", is_flag=True, help="Do not read the package after installing it.")
@click.option("--force", is_flag=True, help="Replace an installed package of the same name.")
@click.option(
    "--upgrade", is_flag=True, help="Replace an installed package of the same name unless it is newer."
)
@click.option("--sha256", metavar="H", help="Refuse the archive unless it has this digest.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def install(
    zip_path: str,
    alias: str | None,
    scope: str,
    no_load: bool,
    force: bool,
    upgrade: bool,
    sha256: str | None,
    yes: bool,
) -> None:
    """Install a package from an archive."""
    from lllm_packages.install import install_package

    if not yes and sys.stdin.isatty():
        click.confirm(
            f"The Python code in {zip_path} will run when its resources are used. Install it?", abort=True
        )
    with _reported():
        path = install_package(
            zip_path, alias=alias, scope=scope, load=not no_load, force=force, upgrade=upgrade, sha256=sha256
        )
        click.echo(f"Installed (alias '{alias}') to {path}" if alias else f"Installed to {path}")
        click.echo(_NOTICE.format(name=path.name), err=True)


@pkg.command()
@click.argument("name")
@click.argument("output")
@click.option("--bundle-deps", is_flag=True, help="Put the packages that it depends on into the archive.")
def export(name: str, output: str, bundle_deps: bool) -> None:
    """Write a package into an archive."""
    from lllm_packages.archive import digest_of
    from lllm_packages.export import export_package

    with _reported():
        path = export_package(name, output, bundle_deps=bundle_deps)
        click.echo(f"Exported '{name}' to {path}")
        click.echo(f"sha256: {digest_of(path)}", err=True)


@pkg.command("list")
@click.option(
    "--scope", metavar="user|project", help="Only what is installed for the user, or for the project."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_installed(scope: str | None, as_json: bool) -> None:
    """List the installed packages."""
    from lllm_packages.installed import list_packages

    with _reported():
        packages = list_packages(scope)
        if as_json:
            click.echo(_json(packages))
        elif not packages:
            click.echo("No packages installed.")
        else:
            fields = ("name", "version", "scope", "path")
            rows = [
                tuple(name.upper() for name in fields),
                *(tuple(item[name] for name in fields) for item in packages),
            ]
            for line in _columns(rows):
                click.echo(line)


@pkg.command()
@click.argument("name")
@click.option("--scope", metavar="user|project", help="Where it is installed, when that is in both.")
def remove(name: str, scope: str | None) -> None:
    """Remove an installed package."""
    from lllm_packages.installed import remove_package

    with _reported():
        click.echo(f"Removed '{name}' from {remove_package(name, scope=scope)}")


@pkg.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Show what a package holds."""
    from lllm_packages.overview import describe_package

    with _reported():
        facts = describe_package(name)
        click.echo(_json(facts) if as_json else "\n".join(_facts(facts)))


def _json(value: object) -> str:
    import json  # `lllm --help` imports this module and needs none of it

    return json.dumps(value, indent=2, ensure_ascii=False)


def _columns(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _facts(facts: dict[str, Any]) -> Iterator[str]:
    yield " ".join(filter(None, (facts["name"], facts["version"])))
    if facts["description"]:
        yield facts["description"]
    for label, key in (("alias", "alias"), ("path", "path"), ("digest", "digest"), ("origin", "origin")):
        if facts[key]:
            yield f"{label + ':':<8}{facts[key]}"
    for section, keys in facts["resources"].items():
        yield f"{section}:"
        yield from (f"  {key}" for key in keys)
    if facts["unread"]:
        yield "not readable without running them:"
        yield from (f"  {os.path.relpath(file, facts['path'])}" for file in facts["unread"])

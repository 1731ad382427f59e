"""`lllm create`: a new project from a template."""

from __future__ import annotations

import click

__all__ = ["create"]


@click.command()
@click.argument("template", metavar="{plain,pydantic-ai,native}")
@click.argument("name")
@click.option(
    "--directory", default=".", show_default=True, help="The folder in which the project's folder is made."
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
def create(template: str, name: str, directory: str, force: bool) -> None:
    """Create a project with a tactic, a service, a client and tests."""
    from lllm_packages.scaffold import create_project

    try:
        result = create_project(template, name, directory=directory, force=force)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"created {result.template} project at {result.path}")

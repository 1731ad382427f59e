"""Commands that plugins add to the command line."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from lllm.plugins import PluginInfo

from .conftest import Site


@pytest.fixture
def program() -> click.Group:
    """Give the group of a program with one command of its own."""
    group = click.Group("lllm")
    group.add_command(click.Command("own", callback=lambda: click.echo("own")))
    return group


def only(site: Site, program: click.Group) -> PluginInfo:
    """Add the commands of all plugins and return the one plugin."""
    manager = site.manager()
    manager.add_commands(program)
    (info,) = manager.plugins()
    return info


def test_a_plugin_adds_commands_and_groups(site: Site, program: click.Group) -> None:
    """It gets the program's group and may look at what is there."""
    site.install(
        "acme-shout",
        """
        import click, lllm

        @lllm.hookimpl
        def lllm_commands(cli):
            assert list(cli.commands) == ["own"]

            @cli.command("shout")
            @click.argument("text")
            def shout(text):
                click.echo(text.upper())

            cli.add_command(click.Group("tools"), "kit")
        """,
    )
    info = only(site, program)
    assert info.contributes == ("command shout", "command kit")
    assert CliRunner().invoke(program, ["shout", "hi"]).output == "HI\n"
    assert sorted(program.commands) == ["kit", "own", "shout"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("cli.command('x')(lambda: None); 1 / 0", "ZeroDivisionError: division by zero"),
        (
            "cli.command('own')(lambda: None)",
            "`lllm_commands` replaces the command `own`, which is not the plugin's own.",
        ),
        ("cli.commands['x'] = 3", "`lllm_commands` added `x`, which is a int, not a command."),
        ("cli.commands.clear(); raise SystemExit", "SystemExit"),
    ],
)
def test_a_plugin_that_fails_adds_nothing(site: Site, program: click.Group, body: str, error: str) -> None:
    """The program's own commands are as they were."""
    site.install("acme-bad", f"import lllm\n@lllm.hookimpl\ndef lllm_commands(cli):\n    {body}\n")
    info = only(site, program)
    assert (info.state, info.error) == ("broken", error)
    assert list(program.commands) == ["own"]
    assert CliRunner().invoke(program, ["own"]).output == "own\n"


def test_commands_are_asked_for_once(site: Site, program: click.Group) -> None:
    """A second group gets the same commands."""
    site.install(
        "acme-shout",
        "import lllm\nasked = []\n@lllm.hookimpl\ndef lllm_commands(cli):\n    asked.append(cli)\n"
        "    cli.command('x')(lambda: None)\n",
    )
    manager = site.manager()
    manager.add_commands(program)
    second = click.Group("lllm")
    manager.add_commands(second)
    import acme_shout.plugin

    assert acme_shout.plugin.asked == [program]
    assert second.commands["x"] is program.commands["x"]


def test_a_manager_without_plugins_adds_nothing(site: Site, program: click.Group) -> None:
    """`lllm --no-plugins` leaves the core's commands."""
    site.install("acme-bad", "raise AssertionError")
    manager = site.manager(enabled=False)
    manager.add_commands(program)
    assert list(program.commands) == ["own"]
    assert [info.state for info in manager.plugins()] == ["disabled"]
    assert site.lines == []

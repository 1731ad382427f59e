"""The tactic behind the ref, and the command."""

import click
import pytest
from click.testing import CliRunner

from lllm import TacticResolver

pytestmark = pytest.mark.usefixtures("registered")


def test_the_ref_resolves_without_a_binding():
    """Whoever installed the plugin can run it."""
    tactic = TacticResolver().resolve("psi://acme/shout/tactics/shout")
    assert tactic.run({"text": "hello"}).text == "HELLO!"


def test_the_command_shouts(registered):
    """As loudly as asked."""
    group = click.Group("lllm")
    registered.add_commands(group)
    assert CliRunner().invoke(group, ["shout", "hello", "--marks", "2"]).output == "HELLO!!\n"

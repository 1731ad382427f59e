"""The page about the command shows what the command prints."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sssn.cli.parser import build_parser

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script():
    """The script that writes the help texts."""
    spec = importlib.util.spec_from_file_location("sssn_help", ROOT / "scripts" / "sssn_help.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_help_on_the_page_is_current(script):
    """Run `python scripts/sssn_help.py` when this fails."""
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.render(page) == page


def test_every_command_is_on_the_page(script):
    """The table names each command, and each has its help."""
    page = script.PAGE.read_text(encoding="utf-8")
    (group,) = [action for action in build_parser()._actions if action.dest == "command"]
    assert len(group.choices) > 30
    for name in group.choices:
        assert f"`{name}`" in page
        assert f"$ sssn {name} --help" in page

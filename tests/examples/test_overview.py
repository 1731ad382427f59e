"""The list of the examples: complete, and each command in it runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ROW = re.compile(r"^\| \[`(?P<folder>\w+)`\]\((?P<page>[^)]+)\) \| .+ \| `(?P<command>.+)` \|$", re.MULTILINE)
ROWS = {row["folder"]: row for row in ROW.finditer((EXAMPLES / "README.md").read_text(encoding="utf-8"))}
HERE = [folder for folder, row in ROWS.items() if not row["command"].startswith("pip ")]


def test_every_example_is_listed():
    """Each folder has its row, with a page or a program that says more."""
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert set(ROWS) == folders
    for row in ROWS.values():
        text = (EXAMPLES / row["page"]).read_text(encoding="utf-8")
        assert text.startswith(('"""', "# "))


def test_every_program_says_what_it_is():
    """Each begins with a docstring, or is named in the README beside it."""
    for program in (path for folder in ROWS for path in (EXAMPLES / folder).glob("*.py")):
        text = program.read_text(encoding="utf-8")
        readme = program.with_name("README.md")
        assert text.startswith('"""') or program.name in readme.read_text(encoding="utf-8"), program


@pytest.mark.parametrize("folder", HERE)
def test_the_first_command_of_an_example_runs(folder, tmp_path):
    """In its folder, as it is written, without a key and without a terminal."""
    copy = shutil.copytree(
        EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__", ".sssn")
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", ROWS[folder]["command"]],
        cwd=copy / folder,
        env={"PATH": path, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr

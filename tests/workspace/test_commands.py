"""The commands that the documentation and continuous integration use."""

import os
import re
import shutil
import stat

import pytest

TARGETS = ("help", "demo", "test", "check", "format", "bench", "docs", "clean")
MAKE = shutil.which("make")


@pytest.mark.skipif(MAKE is None, reason="make is not installed")
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned(root, run, target):
    """make understands the file and knows what it would do for each target."""
    run([MAKE, "--dry-run", target], cwd=root)


@pytest.mark.skipif(MAKE is None, reason="make is not installed")
def test_help_shows_each_target_with_its_purpose(root, run):
    """`make help` has one line for each target but itself first among them."""
    shown = dict(line.split(None, 1) for line in run([MAKE, "help"], cwd=root).stdout.splitlines())
    assert tuple(shown) == TARGETS
    assert all(shown.values())


def test_targets_that_need_the_environment_make_it(root):
    """Each target that runs a program of the environment depends on its stamp."""
    rules = re.findall(
        r"^([a-z]+):(.*?)##.*\n((?:\t.*\n)+)", (root / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    using = {name: prerequisites for name, prerequisites, recipe in rules if "$(BIN)" in recipe}
    assert set(using) == {"demo", "test", "check", "format", "bench", "docs"}
    assert all("$(VENV)/.ready" in needed or "$(VENV)/.docs" in needed for needed in using.values())


def test_the_ci_script_runs_the_checks_and_then_the_tests(root, run):
    """It is executable, well-formed, needs no terminal, and ends with what the test runner says."""
    script = root / ".ci/run"
    assert script.stat().st_mode & stat.S_IXUSR
    run(["bash", "-n", str(script)])
    commands = [line for line in script.read_text("utf-8").splitlines() if line.startswith("make")]
    assert [command.split()[2] for command in commands] == ["check", "test"]
    assert "exec </dev/null" in script.read_text("utf-8")


@pytest.mark.skipif(os.name != "posix", reason="the demo is a shell script")
def test_the_demo_stops_at_the_first_failure(root, run, tmp_path):
    """A command of the demo that fails makes the demo fail: it never looks better than it is."""
    (tmp_path / "python").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    failed = run(["bash", str(root / "scripts/demo.sh"), str(tmp_path / "s")], env=environment, check=False)
    assert failed.returncode == 3
    assert "sssn" not in failed.stdout

"""`lllm plugins new`: what is written where, and what is refused."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from lllm.cli.plugin_scaffold import KINDS, create_plugin
from lllm.cli.plugins import plugins
from lllm.plugins import use

from .conftest import Site

names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,11}", fullmatch=True)


def test_the_files_of_a_plugin(tmp_path: Path) -> None:
    """A distribution with one package, its metadata, a README and tests."""
    folder = create_plugin("runtime", "shout", tmp_path)
    assert folder == tmp_path / "lllm-runtime-shout"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        ".gitignore",
        "README.md",
        "lllm_runtime_shout/__init__.py",
        "lllm_runtime_shout/job.py",
        "lllm_runtime_shout/plugin.py",
        "lllm_runtime_shout/py.typed",
        "lllm_runtime_shout/runtime.py",
        "pyproject.toml",
        "tests/conftest.py",
        "tests/test_runtime.py",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_its_tests_are_collected_before_it_is_installed(tmp_path: Path, kind: str) -> None:
    """With bare `pytest`, which does not put the working directory on the path."""
    folder = create_plugin(kind, "shout", tmp_path)
    program = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only"]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["class", "none", "tactic", "3d", "my_long-name", "click", "a", "9-", "print"]
)
def test_every_name_makes_valid_files(tmp_path: Path, kind: str, name: str) -> None:
    """Keywords, names of modules and leading digits included."""
    folder = create_plugin(kind, name, tmp_path)
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    (package,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert project["project"]["entry-points"]["lllm"] == {name: f"{package}.plugin"}
    assert project["project"]["name"] == folder.name
    assert package.isidentifier()
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"))
    for path in folder.rglob("*"):
        assert path.is_dir() or "$" not in path.read_text(encoding="utf-8").replace("$ ", "")


@given(names)
@settings(max_examples=30, deadline=None)
def test_any_plugin_name_is_accepted_or_taken(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """The contributed names are legal, whatever the plugin's name is."""
    folder = create_plugin("store", name, tmp_path_factory.mktemp("any"))
    scope: dict[str, object] = {}
    package = next(path for path in folder.iterdir() if (path / "plugin.py").exists())
    exec((package / "plugin.py").read_text(encoding="utf-8"), scope)
    (spec,) = scope["lllm_stores"]()  # type: ignore[operator]
    assert spec.name == name


def test_the_requirement_fits_this_host(tmp_path: Path) -> None:
    """A new plugin is compatible with the version that wrote it."""
    from lllm import __version__
    from lllm.plugins.requirements import excludes

    project = tomllib.loads(
        (create_plugin("tactic", "x", tmp_path) / "pyproject.toml").read_text(encoding="utf-8")
    )
    (requirement,) = project["project"]["dependencies"]
    assert not excludes(requirement, __version__)
    assert excludes(requirement, "99")


@pytest.mark.parametrize("name", ["", "Shout", "-x", "a b", "../x", "ü", "a.b"])
def test_what_cannot_name_a_plugin_is_refused(tmp_path: Path, name: str) -> None:
    """Before anything is written."""
    with pytest.raises(ValueError, match="is not a plugin name"):
        create_plugin("runtime", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_of_ours_are_refused(tmp_path: Path) -> None:
    """A distribution of that name exists already."""
    with pytest.raises(
        ValueError, match="`remote` is the runtime of lllm-runtime-remote; choose another name"
    ):
        create_plugin("runtime", "remote", tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds something is left alone; an empty one is used."""
    (tmp_path / "lllm-command-shout").mkdir()
    folder = create_plugin("command", "shout", tmp_path)
    (folder / "README.md").write_text("mine")
    with pytest.raises(FileExistsError, match="Project directory is not empty"):
        create_plugin("command", "shout", tmp_path)
    assert (folder / "README.md").read_text() == "mine"


def invoke(site: Site, *arguments: str) -> Result:
    """Run `lllm plugins new ...` in a program with one command of its own."""
    program = click.Group("lllm", commands=[plugins, click.Command("run")])
    with use(site.manager()):
        return CliRunner().invoke(program, ["plugins", "new", *arguments])


def test_the_command_says_what_comes_next(site: Site) -> None:
    """The folder is made in the working directory; the exit code is 0."""
    result = invoke(site, "command", "shout")
    assert result.exit_code == 0
    assert result.output == (
        "created the command plugin shout in lllm-command-shout\n"
        "next: pip install -e lllm-command-shout && pytest lllm-command-shout && lllm plugins check shout\n"
    )
    assert Path("lllm-command-shout", "pyproject.toml").is_file()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("gizmo", "x"), "'gizmo' is not one of"),
        (("command", "X Y"), "'X Y' is not a plugin name"),
        (("command", "run"), "A command `run` is there already; choose another name."),
        (("tactic", "taken"), "A plugin `taken` is there already; choose another name."),
        (("tactic", "x", "--directory", "/dev/null"), "/dev/null"),
    ],
)
def test_wrong_usage_exits_with_2(site: Site, arguments: tuple[str, ...], text: str) -> None:
    """The error is one line that names what is wrong."""
    site.install("acme-taken")
    result = invoke(site, *arguments)
    assert result.exit_code == 2
    assert text in result.stderr

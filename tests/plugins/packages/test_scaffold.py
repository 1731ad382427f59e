"""New projects."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm.cli import main
from lllm_packages import ScaffoldResult, create_project
from lllm_packages.scaffold import TEMPLATES

ROOT = Path(__file__).resolve().parents[3]
FILES = {"pyproject.toml", "README.md", "app.py", "client.py", "docs/tutorial.md", "tests/test_tactic.py"}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_project_has_eight_files(template, tmp_path):
    """Whatever the template."""
    result = create_project(template, "My Tactic", directory=tmp_path)
    assert isinstance(result, ScaffoldResult)
    assert (result.path, result.package_name, result.template) == (
        tmp_path / "my-tactic",
        "my_tactic",
        template,
    )
    written = {path.relative_to(result.path).as_posix() for path in result.path.rglob("*") if path.is_file()}
    assert written == FILES | {"my_tactic/__init__.py", "my_tactic/tactics.py"}
    assert {path.relative_to(result.path).as_posix() for path in result.files} == written


@pytest.mark.parametrize(
    ("template", "dependencies"),
    [
        ("plain", ["pydantic>=2.7", "lllm"]),
        ("pydantic-ai", ["pydantic>=2.7", "lllm[pydantic-ai]"]),
        ("native", ["pydantic>=2.7", "lllm", "lllm[native]"]),
    ],
)
def test_a_project_declares_what_it_needs(template, dependencies, tmp_path):
    """Dependencies by template; the extras `dev` and `server`; tests that run without installing."""
    result = create_project(template, "demo", directory=tmp_path)
    project = tomllib.loads((result.path / "pyproject.toml").read_text())
    assert project["build-system"]["build-backend"] == "setuptools.build_meta"
    assert project["project"]["name"] == "demo"
    assert project["project"]["dependencies"] == dependencies
    extras = project["project"]["optional-dependencies"]
    assert {"pytest", "httpx"} <= set(extras["dev"])
    assert extras["server"] == ["lllm[server]"]
    assert project["tool"]["pytest"]["ini_options"]["pythonpath"] == ["."]


def test_the_texts_say_how_to_begin(tmp_path):
    """README and tutorial hold the commands with the project's own names; nothing is left unfilled."""
    result = create_project("plain", "demo", directory=tmp_path)
    for name in ("README.md", "docs/tutorial.md"):
        text = (result.path / name).read_text()
        assert 'pip install -e ".[dev,server]"' in text
        assert "lllm serve demo.tactics:build_tactic --port 8000" in text
        assert "python client.py" in text
    assert 'DEFAULT_URL = "http://127.0.0.1:8000/run"' in (result.path / "client.py").read_text()
    assert "app = create_tactic_app(build_tactic())" in (result.path / "app.py").read_text()
    for path in result.files:
        assert "$" not in path.read_text(), path


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_project_passes_its_own_tests(template, tmp_path):
    """With bare `pytest`, from its own folder, without being installed."""
    needs = {"plain": "lllm", "pydantic-ai": "lllm_runtime_pydantic_ai", "native": "lllm_runtime_agents"}
    pytest.importorskip(needs[template])
    pytest.importorskip("lllm_runtime_remote")
    result = create_project(template, f"my {template}", directory=tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=result.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_project_can_be_built(template, tmp_path):
    """By its build backend, with the package in it and requirements that exist."""
    pytest.importorskip("setuptools")
    result = create_project(template, "demo", directory=tmp_path)
    build = [sys.executable, "-W", "ignore", "-c", "import setuptools; setuptools.setup()", "-q"]
    subprocess.run([*build, "egg_info", "build", "--build-base", "out"], cwd=result.path, check=True)
    built = {path.name for path in (result.path / "out" / "lib" / "demo").iterdir()}
    assert built == {"__init__.py", "tactics.py"}
    metadata = (result.path / "demo.egg-info" / "requires.txt").read_text()
    known = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert set(re.findall(r"^lllm\[([\w-]+)\]$", metadata, re.MULTILINE)) <= known
    assert re.search(r"^lllm(\[pydantic-ai\])?$", metadata, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "folder", "package"),
    [
        ("My Tactic", "my-tactic", "my_tactic"),
        ("a.b_c-d", "a.b_c-d", "a_b_c_d"),
        ("  x".strip() + "!!", "x", "x"),
        ("...x...", "x", "x"),
        ("Größe", "gr-e", "gr_e"),
        ("2nd", "2nd", "tactic_2nd"),
        ("class", "class", "tactic_class"),
        ("LLLM", "lllm", "tactic_lllm"),
        ("app", "app", "tactic_app"),
        ("client", "client", "tactic_client"),
        ("tests", "tests", "tactic_tests"),
        ("docs", "docs", "tactic_docs"),
        ("json", "json", "tactic_json"),
        ("pydantic", "pydantic", "tactic_pydantic"),
        ("lllm-serve", "lllm-serve", "tactic_lllm_serve"),
        ("a\nb", "a-b", "a_b"),
    ],
)
def test_names_become_folders_and_packages(name, folder, package, tmp_path):
    """Lower case, without surprises, and never the name of a module that the project needs."""
    result = create_project("plain", name, directory=tmp_path)
    assert (result.path, result.package_name) == (tmp_path / folder, package)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Project name must be a non-empty string"),
        (" x", "Project name must be a non-empty string"),
        (None, "Project name must be a non-empty string"),
        (b"x", "Project name must be a non-empty string"),
        ("a/b", "path separators"),
        ("a:b", "path separators"),
        ("a\\b", "path separators"),
        ("a%20b", "percent escapes"),
        ("---", "letter or number"),
        ("_", "letter or number"),
        ("äöü", "letter or number"),
    ],
)
def test_bad_names_are_refused(name, message, tmp_path):
    """The error says what is wrong; nothing is written."""
    with pytest.raises(ValueError, match=message):
        create_project("plain", name, directory=tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


@given(st.text(max_size=40))
def test_no_name_leaves_the_folder(tmp_path_factory, name):
    """Whatever the name, the project lies directly in the folder, with a package that can be imported."""
    folder = tmp_path_factory.mktemp("scaffold")
    try:
        result = create_project("plain", name, directory=folder)
    except ValueError:
        assert list(folder.iterdir()) == []
        return
    assert result.path.parent == folder
    assert re.fullmatch(r"[a-z0-9_.-]+", result.path.name)
    assert result.package_name.isidentifier()
    assert result.package_name not in sys.stdlib_module_names


@pytest.mark.parametrize("template", ["", "Plain", "other", None])
def test_an_unknown_template_is_refused(template, tmp_path):
    """The error lists the three."""
    with pytest.raises(ValueError, match="template must be one of: plain, pydantic-ai, native"):
        create_project(template, "demo", directory=tmp_path)


@pytest.mark.parametrize("directory", ["", " ", " x", None, 1, b"x"])
def test_a_bad_directory_is_refused(directory):
    """It is a path without spaces around it."""
    with pytest.raises(ValueError, match="directory must be a non-empty path"):
        create_project("plain", "demo", directory=directory)


@pytest.mark.parametrize("force", [0, 1, "true", None])
def test_force_is_a_boolean(force, tmp_path):
    """Nothing that merely looks like one."""
    with pytest.raises(TypeError, match=r"force must be a boolean\."):
        create_project("plain", "demo", directory=tmp_path, force=force)


def test_a_folder_that_is_not_empty_is_kept(tmp_path):
    """Without `force`; an empty one is used, and missing parents are made."""
    (tmp_path / "a" / "demo").mkdir(parents=True)
    create_project("plain", "demo", directory=tmp_path / "a")
    with pytest.raises(FileExistsError, match=f"^Project directory is not empty: {tmp_path / 'a' / 'demo'}$"):
        create_project("plain", "demo", directory=tmp_path / "a")
    (tmp_path / "a" / "demo" / "own.txt").write_text("mine")
    (tmp_path / "a" / "demo" / "app.py").write_text("changed")
    create_project("plain", "demo", directory=tmp_path / "a", force=True)
    assert (tmp_path / "a" / "demo" / "own.txt").read_text() == "mine"
    assert "create_tactic_app" in (tmp_path / "a" / "demo" / "app.py").read_text()
    create_project("plain", "deep", directory=tmp_path / "b" / "c")


def test_a_file_in_the_way_is_kept(tmp_path):
    """A project cannot take the place of a file."""
    (tmp_path / "demo").write_text("x")
    with pytest.raises(FileExistsError, match="Project directory is not empty"):
        create_project("plain", "demo", directory=tmp_path)


def test_links_are_not_written_through(tmp_path):
    """With `force`, what a link points to stays as it is."""
    (tmp_path / "precious.txt").write_text("mine")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "app.py").symlink_to(tmp_path / "precious.txt")
    create_project("plain", "demo", directory=tmp_path, force=True)
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert not (tmp_path / "demo" / "app.py").is_symlink()


def test_the_command_says_what_it_made(capsys):
    """`lllm create plain NAME` makes the project in the working directory."""
    main(["create", "plain", "My Tactic"])
    assert capsys.readouterr().out == "created plain project at my-tactic\n"
    assert Path("my-tactic", "my_tactic", "tactics.py").exists()
    main(["create", "native", "other", "--directory", "sub/dir"])
    assert capsys.readouterr().out == "created native project at sub/dir/other\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["plain", "My Tactic"], "lllm: error: Project directory is not empty: my-tactic\n"),
        (["other", "x"], "lllm: error: template must be one of: plain, pydantic-ai, native; got 'other'.\n"),
        (["plain", "a/b"], "lllm: error: Project name must not contain path separators, got 'a/b'.\n"),
        (
            ["plain", "x", "--directory", " "],
            "lllm: error: directory must be a non-empty path without spaces around",
        ),
    ],
)
def test_errors_are_one_line(arguments, line, capsys):
    """Exit code 2, as for every error of usage."""
    create_project("plain", "My Tactic")
    with pytest.raises(SystemExit) as caught:
        main(["create", *arguments])
    assert caught.value.code == 2
    written = capsys.readouterr().err
    assert written.startswith(line)
    assert written.count("\n") == 1
    main(["create", "plain", "My Tactic", "--force"])

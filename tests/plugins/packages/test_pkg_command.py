"""`lllm pkg`."""

import json
from hashlib import sha256

import pytest

from lllm.cli import main
from lllm_packages import Runtime, export_package, get_default_runtime, load_package


@pytest.fixture
def lllm(capsys):
    """Run the program; return its exit code and what it wrote to stdout and stderr."""

    def run(*arguments):
        code = 0
        try:
            main(list(arguments))
        except SystemExit as end:
            code = end.code
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


@pytest.fixture
def project(write, home):
    """Write the project of the working directory."""
    return write(
        home / "work",
        {
            "lllm.toml": '[package]\nname = "my_project"\nversion = "1.2"\ndescription = "About it."\n',
            "configs/default.yaml": "x: 1",
            "prompts/system.py": 'from lllm import Prompt\nX = Prompt(path="system", prompt="")\n',
            "prompts/made.py": "X = make()",
        },
    )


@pytest.fixture
def archive(package, tmp_path):
    """Write the archive of a package named `gift`."""
    runtime = Runtime()
    load_package(package("gift", {"configs/a.yaml": "x: 1"}, folder=tmp_path / "sources"), runtime)
    path = export_package("gift", tmp_path / "gift", runtime=runtime)
    runtime.reset()
    return path


def test_the_group_alone_shows_its_usage(lllm):
    """On stderr, with exit code 1."""
    code, out, err = lllm("pkg")
    assert (code, out) == (1, "")
    assert err.startswith("Usage: lllm pkg ")


def test_help_lists_the_commands(lllm):
    """`lllm pkg --help` names all five and ends well."""
    code, out, _ = lllm("pkg", "--help")
    assert code == 0
    for name in ("install", "export", "list", "remove", "show"):
        assert f"  {name} " in out


def test_a_package_is_exported_installed_listed_and_removed(lllm, project, home, tmp_path):
    """The tutorial's way, with the outputs it promises."""
    code, out, err = lllm("pkg", "export", "my_project", str(tmp_path / "my_project-v1.0"))
    file = tmp_path / "my_project-v1.0.zip"
    assert (code, out) == (0, f"Exported 'my_project' to {file}\n")
    assert f"sha256: {sha256(file.read_bytes()).hexdigest()}\n" in err
    (project / "lllm.toml").unlink()
    get_default_runtime().reset()
    place = home / ".lllm" / "packages" / "my_project"
    code, out, err = lllm("pkg", "install", str(file))
    assert (code, out) == (0, f"Installed to {place}\n")
    assert "the Python code of `my_project` will run when its resources are used" in err
    assert lllm("pkg", "list") == (
        0,
        f"NAME        VERSION  SCOPE  PATH\nmy_project  1.2      user   {place}\n",
        "",
    )
    assert lllm("pkg", "remove", "my_project") == (0, f"Removed 'my_project' from {place}\n", "")
    assert lllm("pkg", "list") == (0, "No packages installed.\n", "")


def test_installing_under_an_alias_says_so(lllm, archive, home):
    """The alias stands in the line."""
    code, out, _ = lllm(
        "pkg", "install", str(archive), "--alias", "g", "--scope", "project", "--no-load", "--yes"
    )
    assert (code, out) == (0, f"Installed (alias 'g') to {home / 'work' / 'lllm_packages' / 'gift'}\n")


def test_a_list_in_json(lllm, archive, home):
    """One array of objects; an empty one when nothing is installed."""
    assert json.loads(lllm("pkg", "list", "--json")[1]) == []
    lllm("pkg", "install", str(archive))
    assert json.loads(lllm("pkg", "list", "--scope", "user", "--json")[1]) == [
        {
            "name": "gift",
            "version": "1.0.0",
            "description": "",
            "scope": "user",
            "path": str(home / ".lllm" / "packages" / "gift"),
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["install", "none.zip"], "Error: Zip file not found: none.zip\n"),
        (["install", "ARCHIVE", "--alias", "Bad"], "Error: alias 'Bad' is not a valid package name"),
        (["install", "ARCHIVE", "--scope", "x"], "Error: scope must be 'user' or 'project', got 'x'.\n"),
        (["install", "ARCHIVE", "--sha256", "0"], "Error: "),
        (
            ["export", "unknown", "out"],
            "Error: Package 'unknown' not found in runtime. Available packages: []\n",
        ),
        (["list", "--scope", "x"], "Error: scope must be 'user' or 'project', got 'x'.\n"),
        (["remove", "unknown"], "Error: Package 'unknown' not found in any installed location.\n"),
        (["show", "unknown"], "Error: Package 'unknown' not found in runtime. Available packages: []\n"),
    ],
)
def test_errors_are_one_line_on_stderr(lllm, archive, arguments, message):
    """`Error: ...` and exit code 1, nothing on stdout, no traceback."""
    code, out, err = lllm("pkg", *(str(archive) if item == "ARCHIVE" else item for item in arguments))
    assert (code, out) == (1, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_a_package_that_is_there_is_replaced_on_request(lllm, archive):
    """Without `--force` or `--upgrade` the second installation is an error."""
    assert lllm("pkg", "install", str(archive))[0] == 0
    code, _, err = lllm("pkg", "install", str(archive))
    assert code == 1
    assert "already installed at" in err
    assert lllm("pkg", "install", str(archive), "--upgrade")[0] == 0
    assert lllm("pkg", "install", str(archive), "--force")[0] == 0


def test_warnings_are_one_line_on_stderr(lllm, home, write):
    """A broken package is told without the place in the code that noticed it."""
    write(home / ".lllm" / "packages", {"broken/lllm.toml": "["})
    code, out, err = lllm("pkg", "list")
    assert (code, out) == (0, "No packages installed.\n")
    assert err.startswith("Warning: An installed package is left out: ")
    assert err.count("\n") == 1


def test_a_package_is_shown_without_running_it(lllm, project, home):
    """Version, path, digest, resources by section, and which files would have to be run."""
    code, out, err = lllm("pkg", "show", "my_project")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == ["my_project 1.2", "About it.", f"path:   {home / 'work'}"]
    assert lines[3].startswith("digest: sha256:")
    assert lines[4:] == [
        "configs:",
        "  default",
        "prompts:",
        "  system/system",
        "not readable without running them:",
        "  prompts/made.py",
    ]


def test_a_package_with_a_link_is_shown_without_a_digest(lllm, project, home):
    """A link in the folder is no reason not to show it; the warning says why there is no digest."""
    (home / "work" / "prompts" / "loop").symlink_to("..")
    code, shown, warned = lllm("pkg", "show", "my_project")
    assert code == 0
    assert "digest" not in shown
    assert "prompts:\n  system/system\n" in shown
    assert warned.startswith("Warning: There is no digest: ")
    assert warned.endswith("loop is a symbolic link; an archive of a package holds plain files only.\n")
    assert json.loads(lllm("pkg", "show", "my_project", "--json")[1])["digest"] is None


def test_what_was_installed_shows_where_it_came_from(lllm, archive):
    """The archive, its digest and the alias."""
    lllm("pkg", "install", str(archive), "--alias", "g")
    code, out, _ = lllm("pkg", "show", "g", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["name"], facts["alias"], facts["origin"]) == ("gift", "g", str(archive))
    assert facts["archive_sha256"] == sha256(archive.read_bytes()).hexdigest()
    assert facts["resources"] == {"configs": ["a"]}
    assert facts["unread"] == []
    _, text, _ = lllm("pkg", "show", "gift")
    assert "alias:  g\n" in text
    assert f"origin: {archive}\n" in text


def test_the_digest_tells_versions_apart(lllm, project):
    """It changes with the content and with nothing else."""
    first = json.loads(lllm("pkg", "show", "my_project", "--json")[1])["digest"]
    (project / ".hidden").write_text("x")
    assert json.loads(lllm("pkg", "show", "my_project", "--json")[1])["digest"] == first
    (project / "configs" / "default.yaml").write_text("x: 2")
    assert json.loads(lllm("pkg", "show", "my_project", "--json")[1])["digest"] != first


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 130)])
def test_a_person_is_asked(lllm, archive, monkeypatch, home, answer, code):
    """At a terminal the installation waits for a yes; `--yes` gives it at once."""
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda text: answer.strip())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert lllm("pkg", "install", str(archive))[0] == code
    assert (home / ".lllm").exists() is (code == 0)

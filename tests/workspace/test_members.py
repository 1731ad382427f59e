"""The distributions of the repository agree with each other and with what is written about them."""

import fnmatch
import re
import tomllib

import pytest

import workspace

PLUGINS = {member.folder: member for member in workspace.plugins()}
EVERYBODY = {member.folder: member for member in workspace.members()}
EACH_PLUGIN = pytest.mark.parametrize("folder", PLUGINS)


def listed(path):
    """Return the lines of a requirements file that name folders, without the option `-e`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("-e ") for line in lines if line and not line.startswith("#")]


def test_requirements_list_every_folder_once(root):
    """`requirements/all.txt` is the core and then each plugin folder, sorted; none is forgotten."""
    assert listed(root / "requirements/all.txt") == [".", *(f"./{folder}" for folder in PLUGINS)]


def test_development_requirements_are_the_same_editable(root):
    """`requirements/dev.txt` lists the same folders, each editable, with the tools from the extra `dev`."""
    text = (root / "requirements/dev.txt").read_text(encoding="utf-8")
    assert listed(root / "requirements/dev.txt") == [".[dev]", *(f"./{folder}" for folder in PLUGINS)]
    assert text.count("\n-e ") == len(PLUGINS) + 1


def test_every_folder_is_a_distribution(root):
    """No folder under runtimes/, stores/ and plugins/ is without a `pyproject.toml`."""
    folders = {
        path.relative_to(root).as_posix()
        for group in workspace.GROUPS
        for path in (root / group).iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    assert folders == set(PLUGINS)


@EACH_PLUGIN
def test_a_plugin_folder_is_complete(root, folder):
    """Each plugin has a README that names it, a typed flat package, and docstrings at its two doors."""
    plugin = PLUGINS[folder]
    assert plugin.name in (root / folder / "README.md").read_text(encoding="utf-8")
    assert plugin.package.parent == root / folder
    assert (plugin.package / "py.typed").is_file()
    for door in ("__init__.py", "plugin.py"):
        assert (plugin.package / door).read_text(encoding="utf-8").startswith('"""')


@EACH_PLUGIN
def test_a_plugin_is_declared_as_a_stranger_would(folder):
    """Each one requires `lllm`, is found through the entry-point group `lllm` and builds with hatchling."""
    plugin = PLUGINS[folder]
    points = plugin.project["project"]["entry-points"]["lllm"]
    assert [point.split(":")[0] for point in points.values()] == [f"{plugin.package.name}.plugin"]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) for name in points)
    assert plugin.project["build-system"]["build-backend"] == "hatchling.build"


@EACH_PLUGIN
def test_versions_come_from_one_file(root, folder):
    """Each plugin takes its version from the core's version file and admits exactly that minor version."""
    plugin = PLUGINS[folder]
    path = plugin.project["tool"]["hatch"].get("version", {}).get("path", "")
    source = (root / folder / path).resolve()
    assert source == root / "core/lllm/_version.py", f"[tool.hatch.version] path in {folder}/pyproject.toml"
    version = re.search(r'__version__ = "(.+)"', source.read_text(encoding="utf-8"))[1]
    major, minor = version.split(".")[:2]
    required = f">={major}.{minor},<{major}.{int(minor) + 1}"
    members = {member.name for member in EVERYBODY.values()} - {plugin.name}
    ours = [text for text in plugin.requirements if re.split(r"[^\w.-]", text, maxsplit=1)[0] in members]
    assert f"lllm{required}" in ours
    assert {re.sub(r"^[\w.-]+(\[[\w,-]+\])?", "", text) for text in ours} == {required}


def test_shared_facts_are_the_same_everywhere():
    """Licence and Python range do not differ between the members."""
    for member in EVERYBODY.values():
        facts = {name: member.project["project"].get(name) for name in ("license", "requires-python")}
        assert facts == {"license": "Apache-2.0", "requires-python": ">=3.11"}, member.folder


def test_the_extra_all_names_every_plugin():
    """`pip install lllm[all]` brings whatever this repository holds."""
    extras = EVERYBODY["."].project["project"]["optional-dependencies"]
    assert {plugin.name for plugin in PLUGINS.values()} <= set(extras["all"])
    assert set().union(*(extras[name] for name in ("client", "server", "native", "standard"))) <= set(
        extras["all"]
    )


def test_the_readme_shows_every_distribution(root):
    """The table of the README links each folder and names its distribution."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    for member in PLUGINS.values():
        assert f"| [`{member.folder}`]({member.folder}) | `{member.name}` |" in readme


def test_the_type_checker_sees_every_package(root):
    """The file patterns of mypy match the import package of each member."""
    patterns = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["files"]
    for member in EVERYBODY.values():
        path = member.package.relative_to(root).as_posix()
        assert any(fnmatch.fnmatch(path, pattern) for pattern in patterns), path


def test_nothing_pins_a_place_to_install_from(root):
    """No lock file, and no address of a package index in what pip reads."""
    for path in (*root.glob("requirements/*"), *(root / folder / "pyproject.toml" for folder in EVERYBODY)):
        assert "://" not in path.read_text(encoding="utf-8"), path
    assert not list(root.glob("*.lock")) + list(root.glob("*/*/*.lock"))

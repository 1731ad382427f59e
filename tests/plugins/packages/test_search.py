"""Where the project's package file and installed packages are looked for."""

import os
from pathlib import Path

import pytest

from lllm_packages import find_config_file
from lllm_packages.search import distributed_packages, packages_in, project_folder, shared_packages


@pytest.mark.parametrize("name", ["lllm.toml", ".lllm.toml", "LLLM.toml", "template/lllm.toml"])
def test_the_search_goes_upward(home, monkeypatch, write, name):
    """From a folder deep inside, the file of a folder above is found, also in its sub-folder `template`."""
    write(home / "work", {name: ""})
    deep = home / "work" / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert find_config_file() == home / "work" / name


def test_the_nearest_file_wins(home, monkeypatch, write):
    """A file in a folder hides one in a folder above."""
    write(home / "work", {"lllm.toml": "", "inner/lllm.toml": ""})
    monkeypatch.chdir(home / "work" / "inner")
    assert find_config_file() == home / "work" / "inner" / "lllm.toml"


def test_nothing_is_found_where_nothing_is(home):
    """Without a package file the search gives None."""
    assert find_config_file() is None
    assert project_folder() == home / "work"


def test_the_climb_ends_at_home(home, write, tmp_path):
    """The home folder is searched, the folder above it is not."""
    write(tmp_path, {"lllm.toml": ""})
    assert find_config_file() is None
    write(home, {"lllm.toml": ""})
    assert find_config_file() == home / "lllm.toml"


def test_the_climb_ends_before_the_folder_of_another_user(home, monkeypatch, write):
    """A package file in a folder that somebody else owns is not picked up from below."""
    write(home / "work", {"lllm.toml": "", "inner/x": ""})
    monkeypatch.chdir(home / "work" / "inner")
    assert find_config_file() is not None
    real = Path.stat

    def stat(self, **options):
        status = real(self, **options)
        return os.stat_result([*status[:4], 4242, *status[5:]]) if self == home / "work" else status

    monkeypatch.setattr(Path, "stat", stat)
    assert find_config_file() is None


def test_the_climb_ends_at_a_file_system_boundary(home, monkeypatch, write):
    """A folder on another file system is not searched from below."""
    write(home / "work", {"lllm.toml": "", "inner/x": ""})
    monkeypatch.chdir(home / "work" / "inner")
    real = Path.stat

    def stat(self, **options):
        status = real(self, **options)
        return os.stat_result([*status[:2], -1, *status[3:]]) if self == home / "work" else status

    monkeypatch.setattr(Path, "stat", stat)
    assert find_config_file() is None


def test_the_variable_names_a_file_or_a_folder(tmp_path, monkeypatch, write):
    """`LLLM_CONFIG` may be the file, whatever its name, or its folder."""
    write(tmp_path / "p", {"lllm.toml": "", "other.toml": ""})
    monkeypatch.setenv("LLLM_CONFIG", str(tmp_path / "p" / "other.toml"))
    assert find_config_file() == tmp_path / "p" / "other.toml"
    monkeypatch.setenv("LLLM_CONFIG", str(tmp_path / "p"))
    assert find_config_file() == tmp_path / "p" / "lllm.toml"


def test_a_variable_that_names_nothing_is_a_warning_and_no_package(home, monkeypatch, write):
    """A missing `LLLM_CONFIG` does not fall through to the project of the working directory."""
    write(home / "work", {"lllm.toml": ""})
    monkeypatch.setenv("LLLM_CONFIG", "/nowhere/at/all")
    with pytest.warns(RuntimeWarning, match="LLLM_CONFIG names '/nowhere/at/all'"):
        assert find_config_file() is None


def test_a_given_start_ignores_the_variable(home, monkeypatch, write):
    """Who says where to start gets what is there."""
    write(home / "work" / "p", {"lllm.toml": ""})
    monkeypatch.setenv("LLLM_CONFIG", "/nowhere/at/all")
    assert find_config_file(home / "work" / "p") == home / "work" / "p" / "lllm.toml"


def test_a_deleted_working_directory_is_no_error(home, monkeypatch):
    """A program whose working directory is gone has no project."""
    gone = home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_config_file() is None


def test_installed_packages_lie_one_level_deep(tmp_path, write):
    """Folders directly inside count, sorted; hidden ones, deeper ones and those without a file do not."""
    write(
        tmp_path / "r",
        {"b/lllm.toml": "", "a/LLLM.toml": "", ".h/lllm.toml": "", "c/d/lllm.toml": "", "e/x": ""},
    )
    assert packages_in(tmp_path / "r") == [
        tmp_path / "r" / "a" / "LLLM.toml",
        tmp_path / "r" / "b" / "lllm.toml",
    ]
    assert packages_in(tmp_path / "missing") == []


def test_shared_packages_are_the_projects_then_the_users(home, write):
    """What is installed for the project comes before what is installed for the user."""
    write(home / "work", {"lllm_packages/p/lllm.toml": ""})
    write(home, {".lllm/packages/u/lllm.toml": ""})
    assert shared_packages(home / "work") == [
        home / "work" / "lllm_packages" / "p" / "lllm.toml",
        home / ".lllm" / "packages" / "u" / "lllm.toml",
    ]
    assert shared_packages(None) == [home / ".lllm" / "packages" / "u" / "lllm.toml"]


def test_distributions_can_carry_packages(tmp_path, monkeypatch, write):
    """The entry-point group `lllm.packages` names the module of a package, which is not imported."""
    write(
        tmp_path / "site",
        {
            "briefs-1.0.dist-info/entry_points.txt": "[lllm.packages]\nbriefs = briefs.data\n",
            "other-1.0.dist-info/entry_points.txt": "[console_scripts]\nx = y:z\n",
            "briefs/__init__.py": "raise SystemExit('imported')",
            "briefs/data/__init__.py": "raise SystemExit('imported')",
            "briefs/data/lllm.toml": "",
            "lost-1.0.dist-info/entry_points.txt": "[lllm.packages]\nlost = lost_module\n",
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert distributed_packages() == [tmp_path / "site" / "briefs" / "data" / "lllm.toml"]

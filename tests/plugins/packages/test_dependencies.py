"""Packages that need other packages."""

import pytest

from lllm_packages import Runtime, export_package, install_package, load_config, load_package, load_runtime


@pytest.fixture
def family(package):
    """`root` needs `left` and `right`, which both need `base`, which needs `root`: a diamond in a circle."""
    package("base", {"configs/base.yaml": "x: base"}, toml='[dependencies]\npackages = ["../root"]\n')
    package("left", {"configs/left.yaml": "x: left"}, toml='[dependencies]\npackages = ["../base"]\n')
    package("right", {"configs/right.yaml": "x: right"}, toml='[dependencies]\npackages = ["../base as b"]\n')
    return package("root", toml='[dependencies]\npackages = ["../left", {path = "../right", as = "r"}]\n')


def test_dependencies_are_loaded_each_once(family):
    """Recursively, in the order in which they are named, and a circle ends."""
    runtime = load_runtime(family)
    assert list(runtime.packages) == ["root", "left", "base", "right"]
    assert runtime.default_namespace == "root"
    assert runtime.packages["right"].alias == "r"
    assert runtime.keys("config") == [
        "b.configs:base",
        "base.configs:base",
        "left.configs:left",
        "r.configs:right",
        "right.configs:right",
    ]


def test_a_dependency_may_name_the_file(package):
    """The path is that of the folder or of the package file."""
    package("dep", {"configs/a.yaml": "x: 1"})
    load_runtime(package("root", toml='[dependencies]\npackages = ["../dep/lllm.toml"]\n'))
    assert load_config("dep:a") == {"x": 1}


def test_a_missing_dependency_is_a_warning(package):
    """The rest loads; the warning names the package file and the path."""
    folder = package("root", {"configs/a.yaml": "x: 1"}, toml='[dependencies]\npackages = ["../nowhere"]\n')
    with pytest.warns(RuntimeWarning, match=r"root/lllm\.toml depends on '\.\./nowhere'"):
        load_runtime(folder)
    assert load_config("a") == {"x": 1}


def test_two_dependencies_of_one_name_need_an_alias(package):
    """With an alias the second is there under it alone; without one the load says so."""
    package("lib", {"configs/a.yaml": "x: 1"}, folder=package("root").parent / "v1")
    package("lib", {"configs/a.yaml": "x: 2"}, folder=package("root").parent / "v2")
    runtime = load_runtime(package("root", toml='[dependencies]\npackages = ["../v1", "../v2 as new"]\n'))
    assert load_config("lib:a") == {"x": 1}
    assert load_config("new:a") == {"x": 2}
    assert list(runtime.packages) == ["root", "lib", "new"]
    with pytest.raises(ValueError, match="is the name of the one in"):
        load_runtime(package("root", toml='[dependencies]\npackages = ["../v1", "../v2"]\n'))


def test_bundled_dependencies_are_found_after_installing(family, tmp_path):
    """An archive with its dependencies works where none of them exists, aliases included."""
    archive = export_package("root", tmp_path / "out", bundle_deps=True, runtime=load_runtime(family))
    for name in ("root", "left", "right", "base"):
        (tmp_path / name).rename(tmp_path / f"gone-{name}")
    runtime = Runtime()
    install_package(archive, runtime=runtime)
    assert sorted(runtime.packages) == ["base", "left", "right", "root"]
    assert load_config("r:right", runtime) == {"x": "right"}
    assert load_config("b:base", runtime) == {"x": "base"}


def test_bundled_dependencies_may_lie_in_folders_of_other_names(package, tmp_path):
    """The index in the archive says which package stands for which path."""
    place = tmp_path / "some folder"
    package("dep-package", {"configs/a.yaml": "x: 1"}, folder=place)
    folder = package("root", toml='[dependencies]\npackages = ["../some folder as d"]\n')
    archive = export_package("root", tmp_path / "out", bundle_deps=True, runtime=load_runtime(folder))
    place.rename(tmp_path / "gone")
    runtime = Runtime()
    install_package(archive, runtime=runtime)
    assert load_config("d:a", runtime) == {"x": 1}


def test_bundled_packages_without_an_index_are_found_by_folder(package, write, tmp_path):
    """A bundle that somebody made by hand is found by the last part of the path."""
    folder = package("root", toml='[dependencies]\npackages = ["../dep"]\n')
    write(
        folder / "lllm_packages",
        {"dep/lllm.toml": '[package]\nname = "dep"', "dep/configs/a.yaml": "x: 1", "bundle.json": "[1]"},
    )
    load_runtime(folder, discover_shared_packages=False)
    assert load_config("dep:a") == {"x": 1}


def test_packages_inside_an_installed_package_are_found(home, write):
    """`lllm_packages` inside an installed package is searched too, whether or not it is a dependency."""
    write(
        home / ".lllm" / "packages" / "outer",
        {
            "lllm.toml": '[package]\nname = "outer"',
            "lllm_packages/inner/lllm.toml": '[package]\nname = "inner"',
            "lllm_packages/inner/configs/a.yaml": "x: 1",
        },
    )
    assert load_config("inner:a") == {"x": 1}


def test_without_bundling_dependencies_stay_out(family, tmp_path):
    """A plain export holds the one package; installing it alone warns about what is missing."""
    archive = export_package("left", tmp_path / "out", runtime=load_runtime(family))
    (tmp_path / "base").rename(tmp_path / "gone")
    runtime = Runtime()
    with pytest.warns(RuntimeWarning, match=r"depends on '\.\./base'"):
        install_package(archive, runtime=runtime)
    assert list(runtime.packages) == ["left"]


def test_two_packages_of_one_name_cannot_be_bundled(package, tmp_path):
    """Folders in an archive are named after packages, so the names must differ."""
    package("lib", folder=tmp_path / "v1")
    package("lib", folder=tmp_path / "v2")
    runtime = load_runtime(package("root", toml='[dependencies]\npackages = ["../v1", "../v2 as new"]\n'))
    with pytest.raises(ValueError, match="Two packages to bundle are named `lib`"):
        export_package("root", tmp_path / "out", bundle_deps=True, runtime=runtime)


def test_a_missing_dependency_cannot_be_bundled(package, tmp_path):
    """The export fails instead of writing an archive that lacks something."""
    package("dep")
    runtime = load_runtime(package("root", toml='[dependencies]\npackages = ["../dep"]\n'))
    (tmp_path / "dep").rename(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"depends on '\.\./dep', where there is no lllm\.toml"):
        export_package("root", tmp_path / "out", bundle_deps=True, runtime=runtime)
    assert not (tmp_path / "out.zip").exists()


def test_a_package_can_depend_on_itself(package):
    """The shortest circle ends too."""
    folder = package("me", {"configs/a.yaml": "x: 1"}, toml='[dependencies]\npackages = ["."]\n')
    runtime = Runtime()
    load_package(folder, runtime)
    assert list(runtime.packages) == ["me"]

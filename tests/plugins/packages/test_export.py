"""Writing a package into an archive."""

import os
import stat
import zipfile

import pytest

from lllm_packages import Runtime, export_package, get_default_runtime, load_package, load_runtime


def names(archive):
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_the_archive_holds_one_folder_named_after_the_package(loaded, prompt_source, tmp_path):
    """Hidden files, bytecode and installed packages are left out; the rest is sorted."""
    loaded(
        files={
            "prompts/system.py": prompt_source(),
            "configs/a.yaml": "x: 1",
            "README.md": "Text.",
            ".env": "SECRET=1",
            ".git/config": "x",
            "prompts/__pycache__/system.pyc": b"x",
            "lllm_packages/other/lllm.toml": "",
            "prompts/lllm_packages/kept.txt": "x",
        },
        folder=tmp_path / "any folder",
    )
    archive = export_package("my_project", tmp_path / "out.zip")
    assert archive == tmp_path / "out.zip"
    assert names(archive) == [
        "my_project/README.md",
        "my_project/configs/a.yaml",
        "my_project/lllm.toml",
        "my_project/prompts/lllm_packages/kept.txt",
        "my_project/prompts/system.py",
    ]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("my_project-v1.0", "my_project-v1.0.zip"),
        ("x.zip", "x.zip"),
        ("X.ZIP", "X.ZIP"),
        ("new/dir/x", "new/dir/x.zip"),
    ],
)
def test_the_output_name_is_kept(loaded, tmp_path, given, written):
    """`.zip` is added where it is missing and nothing is cut off; parent folders are created."""
    loaded()
    assert export_package("my_project", tmp_path / given) == tmp_path / written
    assert zipfile.is_zipfile(tmp_path / written)


def test_equal_input_gives_equal_bytes(package, tmp_path):
    """Times, the folder and the order of creation do not matter."""
    files = {"configs/a.yaml": "x: 1", "run.sh": "#!/bin/sh"}
    one = package("same", files, folder=tmp_path / "one")
    two = package("same", dict(reversed(files.items())), folder=tmp_path / "two")
    os.utime(two / "run.sh", (1, 1))
    for folder in (one, two):
        (folder / "run.sh").chmod(0o755)
    first = export_package("same", tmp_path / "1", runtime=load_runtime(one))
    second = export_package("same", tmp_path / "2", runtime=load_runtime(two))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        modes = {info.filename: stat.S_IMODE(info.external_attr >> 16) for info in archive.infolist()}
    assert modes == {"same/configs/a.yaml": 0o644, "same/lllm.toml": 0o644, "same/run.sh": 0o755}


def test_the_output_is_never_inside_its_own_archive(loaded):
    """Exporting into the package's own folder, twice, gives the same archive."""
    runtime = loaded(files={"configs/a.yaml": "x: 1"})
    output = runtime.project_dir / "dist" / "my_project.zip"
    first = export_package("my_project", output).read_bytes()
    assert export_package("my_project", output).read_bytes() == first
    assert names(output) == ["my_project/configs/a.yaml", "my_project/lllm.toml"]


def test_a_hidden_package_file_gets_its_plain_name(write, tmp_path):
    """`.lllm.toml` would be left out on the other side."""
    folder = write(tmp_path / "p", {".lllm.toml": '[package]\nname = "p"', "configs/a.yaml": "x: 1"})
    archive = export_package("p", tmp_path / "out", runtime=load_runtime(folder))
    assert names(archive) == ["p/configs/a.yaml", "p/lllm.toml"]


@pytest.mark.parametrize("target", ["configs", "configs/a.yaml", "/etc/hostname", "nowhere"])
def test_links_are_refused(loaded, tmp_path, target):
    """A link to a file or folder, inside or outside or to nothing, is named in the error."""
    runtime = loaded(files={"configs/a.yaml": "x: 1"})
    (runtime.project_dir / "data").mkdir()
    (runtime.project_dir / "data" / "link").symlink_to(runtime.project_dir / target)
    with pytest.raises(ValueError, match="data/link is a symbolic link"):
        export_package("my_project", tmp_path / "out")
    assert not (tmp_path / "out.zip").exists()


def test_special_files_are_refused(loaded, tmp_path):
    """A pipe cannot be archived."""
    runtime = loaded()
    os.mkfifo(runtime.project_dir / "pipe")
    with pytest.raises(ValueError, match="pipe is a special file"):
        export_package("my_project", tmp_path / "out")


@pytest.mark.parametrize("name", ["a\\b", "a\nb"])
def test_names_that_cannot_be_installed_are_refused(loaded, tmp_path, name):
    """What the installation would refuse is not exported."""
    loaded(files={f"configs/{name}": "x"})
    with pytest.raises(ValueError, match="cannot be exported"):
        export_package("my_project", tmp_path / "out")


def test_an_unknown_package_names_the_known_ones(loaded, tmp_path):
    """The error lists what is loaded."""
    loaded()
    with pytest.raises(ValueError, match=r"'x' not found in runtime\. Available packages: \['my_project'\]"):
        export_package("x", tmp_path / "out")


def test_a_package_can_be_named_by_its_alias(package, tmp_path):
    """The archive has the package's own name."""
    runtime = Runtime()
    load_package(package("dep"), runtime, alias="d")
    assert names(export_package("d", tmp_path / "out", runtime=runtime)) == ["dep/lllm.toml"]


def test_a_package_without_a_name_is_not_exported(write, home, monkeypatch, tmp_path):
    """Neither one without the field nor one without a package file."""
    folder = write(tmp_path / "nameless", {"lllm.toml": '[package]\nversion = "1"'})
    with pytest.raises(ValueError, match=r"has no \[package\] name field"):
        export_package("nameless", tmp_path / "out", runtime=load_runtime(folder))
    write(home / "work", {"configs/a.yaml": ""})
    monkeypatch.setenv("LLLM_AUTO_CWD_FALLBACK", "1")
    load_runtime()
    assert "work" in get_default_runtime().packages
    with pytest.raises(ValueError, match=r"has no \[package\] name field"):
        export_package("work", tmp_path / "out")


def test_what_unpacks_to_too_much_is_not_exported(loaded, tmp_path):
    """The limits of the installation hold for the export too, and nothing is left behind."""
    loaded(files={"assets/zeros.bin": bytes(1_000_000)})
    with pytest.raises(ValueError, match="unpacks to more than 200 times its size"):
        export_package("my_project", tmp_path / "out" / "x")
    assert list((tmp_path / "out").iterdir()) == []


def test_too_many_files_are_not_exported(loaded, tmp_path, monkeypatch):
    """The error says how many files there are and how many may be."""
    monkeypatch.setattr("lllm_packages.export.MAX_MEMBERS", 2)
    loaded(files={"configs/a.yaml": "", "configs/b.yaml": ""})
    with pytest.raises(ValueError, match=r"The package has 3 files and .*; 2 files and"):
        export_package("my_project", tmp_path / "out")

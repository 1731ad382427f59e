"""Installing, listing and removing packages."""

import json
import os
import sys
import threading
import zipfile
from hashlib import sha256

import pytest

import lllm
from lllm_packages import (
    Runtime,
    export_package,
    get_default_runtime,
    install_package,
    list_packages,
    load_config,
    load_package,
    load_prompt,
    load_runtime,
    remove_package,
)


@pytest.fixture
def archive(package, tmp_path):
    """Write a package, export it and return the archive; the sources go away."""

    def make(name="gift", files=None, *, version="1.0.0", toml=""):
        folder = package(name, files, folder=tmp_path / "sources" / name, version=version, toml=toml)
        runtime = Runtime()
        load_package(folder, runtime)
        output = export_package(name, tmp_path / f"{name}-{version}", runtime=runtime)
        runtime.reset()
        (folder / "lllm.toml").unlink()
        return output

    return make


def test_a_package_is_installed_for_the_user(archive, home):
    """It lies in `~/.lllm/packages/<name>`, with a receipt beside its files."""
    file = archive(files={"configs/a.yaml": "x: 1", "configs/.hidden": "x"})
    path = install_package(file)
    assert path == home / ".lllm" / "packages" / "gift"
    assert sorted(item.name for item in path.iterdir()) == [".lllm-install.json", "configs", "lllm.toml"]
    assert json.loads((path / ".lllm-install.json").read_text()) == {
        "alias": None,
        "sha256": sha256(file.read_bytes()).hexdigest(),
        "origin": str(file),
    }
    assert [item.name for item in path.parent.iterdir()] == ["gift"]


def test_a_package_is_installed_for_a_project(archive, home, write, package):
    """It lies in `lllm_packages` beside the project's package file, or in the working directory."""
    file = archive()
    assert install_package(file, scope="project") == home / "work" / "lllm_packages" / "gift"
    write(home / "work", {"deep/lllm.toml": ""})
    os.chdir(home / "work" / "deep")
    assert (
        install_package(file, scope="project", load=False)
        == home / "work" / "deep" / "lllm_packages" / "gift"
    )
    other = load_runtime(package("other"), "install-other")
    assert (
        install_package(file, scope="project", runtime=other) == other.project_dir / "lllm_packages" / "gift"
    )


def test_an_installed_tactic_is_used_immediately(archive, tactic_source):
    """`build_tactic(config, name=...)` works by bare name, in this process and after a new discovery."""
    source = (
        "from lllm import Tactic\nclass Gift(Tactic):\n    name = 'its_tactic'\n    agent_group = []\n"
        "    def call(self, task, **kwargs):\n        return task.upper()\n"
    )
    install_package(archive(files={"tactics/t.py": source}))
    assert lllm.build_tactic({}, name="its_tactic")("hi") == "HI"
    load_runtime()
    assert lllm.build_tactic({"tactic_type": "its_tactic"})("hi") == "HI"


def test_an_installed_package_is_used_in_another_process(archive, run_python, prompt_source):
    """Nothing needs to be loaded there."""
    install_package(archive(files={"prompts/p.py": prompt_source("greeting")}), load=False)
    done = run_python("from lllm import load_prompt; print(load_prompt('greeting').path)")
    assert done.stdout.strip() == "greeting"


def test_installing_runs_no_code(archive, home, prompt_source):
    """The package's Python runs when its resources are used, not before."""
    mark = home / "ran"
    body = f"with open({str(mark)!r}, 'w') as file:\n    file.write('x')\n"
    install_package(archive(files={"prompts/p.py": body + prompt_source("p"), "__init__.py": body}))
    assert get_default_runtime().has("p", "prompt")
    list_packages()
    assert not mark.exists()
    load_prompt("p")
    assert mark.exists()


def test_an_alias_is_remembered(archive, prompt_source):
    """Resources are found under alias and name, now and in a later discovery; no file is rewritten."""
    file = archive(files={"prompts/p.py": prompt_source("p")})
    path = install_package(file, alias="my_alias-2")
    with zipfile.ZipFile(file) as opened:
        assert (path / "lllm.toml").read_bytes() == opened.read("gift/lllm.toml")
    for _ in range(2):
        assert load_prompt("my_alias-2:p") is load_prompt("gift:p")
        assert get_default_runtime().packages["gift"].alias == "my_alias-2"
        load_runtime()


def test_without_loading_the_registry_does_not_know_it(archive, default_runtime):
    """`load=False` leaves the registry alone."""
    assert not default_runtime.has("a", "config")
    install_package(archive(files={"configs/a.yaml": "x: 1"}), load=False)
    assert not default_runtime.has("a", "config")


def test_a_registry_can_be_given(archive):
    """The package is loaded into it and not into the default one."""
    runtime = Runtime()
    default = get_default_runtime()
    assert default.packages == {}
    install_package(archive(files={"configs/a.yaml": "x: 1"}), runtime=runtime)
    assert load_config("a", runtime) == {"x": 1}
    assert default.packages == {}


def test_an_installed_package_is_not_replaced_by_accident(archive):
    """Without `force` or `upgrade` the second installation is refused."""
    path = install_package(archive(version="1.0"))
    with pytest.raises(FileExistsError, match=f"`gift` is already installed at {path}"):
        install_package(archive(version="2.0"))
    assert list_packages()[0]["version"] == "1.0"


@pytest.mark.parametrize(
    ("installed", "new", "is_replaced"),
    [
        ("1.9", "1.10", True),
        ("1.0", "1.0", True),
        ("2.0.1", "2.0", False),
        ("x", "1", True),
        ("1", "x", False),
    ],
)
def test_an_upgrade_does_not_go_back(archive, installed, new, is_replaced):
    """`upgrade` replaces what is not newer; `force` replaces anything."""
    install_package(archive(version=installed))
    later = archive(version=new, files={"configs/new.yaml": "x: 1"})
    if is_replaced:
        install_package(later, upgrade=True)
    else:
        with pytest.raises(FileExistsError, match=r"is already installed at .* and newer than"):
            install_package(later, upgrade=True)
        install_package(later, force=True)
    assert list_packages()[0]["version"] == new
    assert load_config("gift:new") == {"x": 1}


def test_a_replaced_package_is_reloaded(archive, tactic_source):
    """Resources and modules of the old version are gone from the registry."""
    install_package(
        archive(
            version="1.0", files={"tactics/t.py": tactic_source("gift-tactic"), "configs/old.yaml": "x: 1"}
        )
    )
    assert lllm.get_tactic_class("gift-tactic")().run(None) == "hello"
    assert load_config("old") == {"x": 1}
    install_package(
        archive(version="2.0", files={"tactics/t.py": tactic_source("gift-tactic", answer="bye")}), force=True
    )
    assert lllm.get_tactic_class("gift-tactic")().run(None) == "bye"


def test_a_damaged_installation_can_be_replaced(archive, home, write):
    """`force` replaces even what is no package, and `upgrade` what has no version."""
    place = home / ".lllm" / "packages"
    write(place, {"gift": "a file"})
    install_package(archive(), force=True)
    assert list_packages()[0]["name"] == "gift"
    write(place, {"gift/lllm.toml": "["})
    install_package(archive(), upgrade=True)
    assert list_packages()[0]["name"] == "gift"


def test_a_link_in_the_way_is_replaced_and_not_followed(archive, home, tmp_path, write):
    """The target of the link keeps its files."""
    target = write(tmp_path / "elsewhere", {"lllm.toml": '[package]\nname = "gift"', "precious": "x"})
    (home / ".lllm" / "packages").mkdir(parents=True)
    (home / ".lllm" / "packages" / "gift").symlink_to(target)
    path = install_package(archive(), force=True)
    assert not path.is_symlink()
    assert (target / "precious").exists()


def test_a_digest_is_checked(archive, home):
    """The archive must have the digest that is asked for, in either spelling."""
    file = archive()
    digest = sha256(file.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=f"has the sha256 {digest}, and {'0' * 64} was expected"):
        install_package(file, sha256="0" * 64)
    assert not (home / ".lllm").exists()
    install_package(file, sha256=f"sha256:{digest.upper()}")


def test_a_missing_archive_is_named(tmp_path):
    """Neither a missing file nor a folder is an archive."""
    for path in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"Zip file not found: {path}"):
            install_package(path)


def test_a_bad_scope_or_alias_is_refused(archive):
    """Before anything is read."""
    file = archive()
    with pytest.raises(ValueError, match="scope must be 'user' or 'project', got 'system'"):
        install_package(file, scope="system")
    with pytest.raises(ValueError, match=r"'Bad\.Alias' is not a valid package name"):
        install_package(file, alias="Bad.Alias")
    with pytest.raises(ValueError, match="scope must be 'user' or 'project'"):
        list_packages("system")
    with pytest.raises(ValueError, match="scope must be 'user' or 'project'"):
        remove_package("gift", scope="system")


def test_without_a_home_folder_there_is_no_user_scope(archive, monkeypatch):
    """The error says what to do."""
    file = archive()
    monkeypatch.setattr("lllm_packages.settings.Path.home", lambda: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(RuntimeError, match="no home folder to install into; use scope 'project'"):
        install_package(file)


def test_installations_at_the_same_time_do_not_mix(archive, home):
    """One of them wins, the others are refused, and what is installed is whole."""
    file = archive(files={f"configs/{number}.yaml": "x: 1" for number in range(30)})
    outcomes = []

    def install():
        try:
            outcomes.append(install_package(file, load=False))
        except FileExistsError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=install) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = home / ".lllm" / "packages" / "gift"
    assert outcomes.count(path) == 1
    assert len(outcomes) == 6
    assert len(list((path / "configs").iterdir())) == 30
    assert [item.name for item in path.parent.iterdir()] == ["gift"]


def test_a_failed_replacement_brings_the_old_version_back(archive, home, monkeypatch):
    """When the last rename fails the former installation is as it was."""
    install_package(archive(version="1.0"))
    later = archive(version="2.0")
    real = type(home).replace

    def replace(self, target):
        if self.name == "new":
            raise PermissionError("no")
        return real(self, target)

    monkeypatch.setattr(type(home), "replace", replace)
    with pytest.raises(FileExistsError):
        install_package(later, force=True)
    assert list_packages()[0]["version"] == "1.0"
    assert [item.name for item in (home / ".lllm" / "packages").iterdir()] == ["gift"]


def test_a_package_that_the_project_hides_is_reported(archive, write, home):
    """Loading it is a warning that names both folders; it is installed all the same."""
    write(home / "work", {"lllm.toml": '[package]\nname = "gift"'})
    with pytest.warns(RuntimeWarning, match="`gift`, for the package in .*, is the name of the one in"):
        install_package(archive())
    assert [item["name"] for item in list_packages()] == ["gift"]


def test_packages_are_listed_by_scope(archive):
    """The user's first, each with name, version, description, scope and path."""
    user = install_package(archive("beta", version="2.0"))
    install_package(archive("alpha"))
    project = install_package(archive("gamma"), scope="project")
    assert [item["name"] for item in list_packages()] == ["alpha", "beta", "gamma"]
    assert list_packages("project") == [
        {"name": "gamma", "version": "1.0.0", "description": "", "scope": "project", "path": str(project)}
    ]
    assert list_packages("user")[1] == {
        "name": "beta",
        "version": "2.0",
        "description": "",
        "scope": "user",
        "path": str(user),
    }


def test_a_broken_installation_is_left_out_of_the_list(archive, write, home):
    """With a warning."""
    install_package(archive())
    write(home / ".lllm" / "packages", {"broken/lllm.toml": "["})
    with pytest.warns(RuntimeWarning, match=r"An installed package is left out: .*broken"):
        assert [item["name"] for item in list_packages()] == ["gift"]


def test_a_removed_package_is_gone_from_disk_and_registry(archive, home, tactic_source):
    """Its folder, its resources, its modules, and the package itself."""
    files = {"configs/a.yaml": "x: 1", "tactics/t.py": tactic_source("gone-tactic")}
    install_package(archive(files=files), alias="g")
    runtime = get_default_runtime()
    runtime.register_config("own", {"x": 2})
    assert lllm.get_tactic_class("gone-tactic")
    assert remove_package("gift") == home / ".lllm" / "packages" / "gift"
    assert not (home / ".lllm" / "packages" / "gift").exists()
    assert (runtime.packages, runtime.keys("config"), runtime.default_namespace) == ({}, ["own"], None)
    assert not any(name.startswith("lllm_pkg.gift") for name in sys.modules)
    for key in ("a", "gift:a", "g:a"):
        with pytest.raises(KeyError):
            load_config(key)
    with pytest.raises(KeyError):
        lllm.get_tactic_class("gone-tactic")
    assert load_config("own") == {"x": 2}


def test_removing_what_was_not_looked_at_yet(archive, home):
    """Removal does not discover packages only to forget one."""
    install_package(archive(), load=False)
    remove_package("gift")
    assert not get_default_runtime().discovery_done


@pytest.mark.parametrize("name", ["unknown", "../gift", "", "..", "/etc"])
def test_an_unknown_package_cannot_be_removed(archive, name, home):
    """No name leads out of the install root."""
    install_package(archive())
    with pytest.raises(FileNotFoundError, match="not found in any installed location"):
        remove_package(name)
    assert (home / ".lllm" / "packages" / "gift").exists()


def test_a_package_in_both_scopes_needs_a_scope(archive, home):
    """The error lists both places; with a scope the other one stays."""
    file = archive()
    install_package(file)
    install_package(file, scope="project", load=False)
    with pytest.raises(ValueError, match=r"'gift' found in multiple locations: .*; give a scope"):
        remove_package("gift")
    assert remove_package("gift", scope="project") == home / "work" / "lllm_packages" / "gift"
    assert [item["scope"] for item in list_packages()] == ["user"]


def test_removing_a_link_leaves_its_target(home, tmp_path, write):
    """A package that is linked into the install root, as during development, is unlinked."""
    target = write(tmp_path / "dev", {"lllm.toml": '[package]\nname = "dev"', "configs/a.yaml": "x: 1"})
    (home / ".lllm" / "packages").mkdir(parents=True)
    (home / ".lllm" / "packages" / "dev").symlink_to(target)
    assert load_config("dev:a") == {"x": 1}
    remove_package("dev")
    assert (target / "lllm.toml").exists()
    assert get_default_runtime().packages == {}

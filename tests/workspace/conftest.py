"""The repository seen from outside: its members, their wheels, and environments made from them."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import workspace  # noqa: E402 - it lies in scripts/, which is no package


@pytest.fixture(scope="session", name="run")
def run_fixture():
    """The function that runs a command."""
    return run


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def members():
    """The core and every plugin."""
    return workspace.members()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory, members):
    """One wheel for each member, by name of the distribution; built offline from this checkout."""
    target = tmp_path_factory.mktemp("wheels")
    folders = [str(ROOT / member.folder) for member in members]
    offline = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    run([sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", str(target), *folders])
    return {wheel.name.split("-")[0].replace("_", "-"): wheel for wheel in sorted(target.glob("*.whl"))}


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory, wheels):
    """Each wheel unpacked into a directory of its own, by name of the distribution."""
    target = tmp_path_factory.mktemp("unpacked")
    for name, wheel in wheels.items():
        zipfile.ZipFile(wheel).extractall(target / name)
    return {name: target / name for name in wheels}


@pytest.fixture(scope="session")
def third_party(tmp_path_factory, members):
    """A directory with everything this environment has installed, the members of the workspace left out.

    It stands in for a package index: the tests must not need the network, and an environment that sees this
    directory sees the dependencies without seeing the editable members.
    """
    target = tmp_path_factory.mktemp("third-party")
    left_out = {member.package.name for member in members} | {
        str(distribution(member.name)._path.name)  # the one way to the folder of the metadata
        for member in members
        if is_installed(member.name)
    }
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name not in left_out and entry.suffix != ".pth" and not entry.name.startswith("_editable"):
            (target / entry.name).symlink_to(entry)
    return target


@pytest.fixture
def clean_environment(tmp_path, third_party):
    """The interpreter of a new virtual environment that has the third-party libraries and nothing of ours."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).stdout.strip()
    Path(site, "third-party.pth").write_text(f"{third_party}\n", encoding="utf-8")
    return python


def is_installed(name):
    """Return whether a distribution is installed in the environment that runs the tests."""
    try:
        distribution(name)
    except ModuleNotFoundError:
        return False
    return True


def run(argv, *, check=True, **options):
    """Run a command without a terminal and without this environment's Python settings; return its outcome."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MAKE", "MFLAGS"))
    }
    environment |= options.pop("env", {})
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )
    assert not check or done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done

"""Packages in temporary folders, and a default registry of each test's own."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from lllm_packages import Runtime, get_default_runtime, load_runtime, set_default_runtime
from lllm_packages.defaults import discover


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The user's home folder; the working directory is `work` inside it, and no setting is inherited."""
    folder = tmp_path / "home"
    (folder / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    for name in [name for name in os.environ if name.startswith("LLLM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder / "work")
    return folder


@pytest.fixture(autouse=True)
def default_runtime():
    """A default registry that has discovered nothing yet; the former one comes back after the test."""
    former = get_default_runtime()
    runtime = Runtime(discover=discover)
    set_default_runtime(runtime)
    yield runtime
    get_default_runtime().reset()
    set_default_runtime(former)


@pytest.fixture
def write():
    """Write files below a folder, given by their paths; texts are dedented."""

    def write_files(folder, files):
        for path, text in files.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                file.write_bytes(text)
            else:
                file.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return Path(folder)

    return write_files


@pytest.fixture
def package(write, tmp_path):
    """Write a package of some name and return its folder, which has the same name."""

    def write_package(name, files=None, *, folder=None, toml="", version="1.0.0"):
        head = f'[package]\nname = "{name}"\nversion = "{version}"\n'
        place = Path(folder) if folder is not None else tmp_path / name
        return write(place, {"lllm.toml": head + dedent(toml), **(files or {})})

    return write_package


@pytest.fixture
def loaded(package):
    """Write a package and load it, alone, into the default registry."""

    def load(name="my_project", files=None, **options):
        folder = package(name, files, **options)
        return load_runtime(folder, discover_shared_packages=False)

    return load


@pytest.fixture
def run_python(home):
    """Run a program in a process of its own; return its outcome."""

    def run(code, *, cwd=None, check=True, env=None):
        environment = {**os.environ, "HOME": str(home), **(env or {})}
        done = subprocess.run(
            [sys.executable, "-c", dedent(code)],
            cwd=cwd or Path.cwd(),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


PROMPT = 'from lllm import Prompt\n\nPROMPT = Prompt(path="{path}", prompt="{text}")\n'


@pytest.fixture
def prompt_source():
    """Return the source of a module with one prompt."""

    def source(path="system", text="Be brief."):
        return PROMPT.format(path=path, text=text)

    return source


TACTIC = """\
from lllm import Tactic


class {cls}(Tactic):
    name = "{name}"

    def _run(self, input_value, *, context=None):
        return "{answer}"
"""


@pytest.fixture
def tactic_source():
    """Return the source of a module with one tactic."""

    def source(name="greet", cls="Greet", answer="hello"):
        return TACTIC.format(name=name, cls=cls, answer=answer)

    return source

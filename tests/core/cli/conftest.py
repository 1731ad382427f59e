"""A project folder with tactics in it, and the program run inside of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

import lllm
from lllm.cli.program import make_program
from lllm.plugins import PluginManager, use

TACTICS = '''
"""Tactics of a user."""

from pydantic import BaseModel, Field

from lllm import Tactic, TacticEvent


class Text(BaseModel):
    text: str
    shout_at: str | None = Field(default=None, alias="shoutAt")


class Shout(Tactic[Text, Text]):
    """Says it louder."""

    name = "shout"

    def _run(self, input_value, *, context=None):
        return Text(text=input_value.text.upper(), shoutAt=context.tactic_ref)

    def _stream(self, input_value, *, context=None):
        yield from input_value.text.upper().split()


class Silent(Tactic):
    name = "silent"

    def _run(self, input_value, *, context=None):
        return {"given": input_value}


class Fails(Tactic):
    def _run(self, input_value, *, context=None):
        raise KeyError("no such thing")


class Strange(Tactic):
    def _run(self, input_value, *, context=None):
        return object()


class Wrong(Tactic):
    output_type = int

    def _run(self, input_value, *, context=None):
        return "three"


instance = Shout()
nothing = 3
calls = []


def build_shout(loud=True):
    calls.append("build_shout")
    return Shout


def annotated() -> Shout:
    calls.append("annotated")
    return Shout()


def quiet():
    """Has no parameters and says nothing about what it returns."""
    calls.append("quiet")
    return Shout()


def reverse(text):
    """Reverses a text."""
    return text[::-1]


class Container:
    inner = Silent()
'''


class Wrapped(lllm.Tactic):
    """A function as the tactic of these tests' own runtime."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(name=function.__name__, description=function.__doc__)
        self.function = function

    def _run(self, input_value: Any, *, context: Any = None) -> Any:
        return self.function(input_value)


class Runtime:
    """Wraps functions, opens URLs, and knows which services are well; some answer only together."""

    meeting = threading.Barrier(3)

    def adapt(self, target: Any, **options: Any) -> lllm.Tactic:
        return Wrapped(target)

    def open(self, ref: str | None, binding: Any) -> lllm.Tactic:
        return Wrapped(lambda value: {"opened": dict(binding)["url"]})

    def health(self, url: str, *, timeout: float) -> None:
        if "sick" in url:
            raise lllm.TacticServiceError("it does not answer")
        if "together" in url:
            self.meeting.wait(30)


class Plugin:
    """Contributes the runtime, a tactic and a command."""

    @lllm.hookimpl
    def lllm_runtimes(self) -> list[lllm.RuntimeSpec]:
        return [
            lllm.RuntimeSpec(
                "fake", "acme_cli:Runtime", "Fake.", schemes=("http", "https"), adapts=("builtins.function",)
            )
        ]

    @lllm.hookimpl
    def lllm_stores(self) -> list[lllm.StoreSpec]:
        return [
            lllm.StoreSpec(
                "sqlite", "acme_cli:Store", "Fake.", schemes=("sqlite",), markers=("store.sqlite",)
            )
        ]

    @lllm.hookimpl
    def lllm_tactics(self) -> dict[str, str]:
        return {"psi://acme/cli/tactics/wrapped": "acme_cli:reverse"}

    @lllm.hookimpl
    def lllm_commands(self, cli: Any) -> None:
        @cli.command("acme")
        def acme() -> int:
            """Say where this comes from."""
            print("from a plugin")
            return 7


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fresh working directory that holds the module `user_tactics`."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "user_tactics.py").write_text(TACTICS)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "user_tactics", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return folder


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginManager]:
    """Put a manager with the plugin of these tests, and no other, in force."""
    module = ModuleType("acme_cli")
    vars(module).update(Runtime=Runtime, reverse=lambda text: text[::-1])
    monkeypatch.setitem(sys.modules, "acme_cli", module)
    own = PluginManager(discover=False)
    own.register(Plugin(), name="acme-cli")
    with use(own):
        yield own


@pytest.fixture
def invoke(project: Path, manager: PluginManager) -> Iterator[Callable[..., Result]]:
    """Return a function that runs the program in the project, in this process."""

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(make_program(), arguments, prog_name="lllm", **options)

    yield run
    sys.modules.pop("user_tactics", None)


@pytest.fixture
def bind(project: Path) -> Callable[[str], Path]:
    """Return a function that writes the project's config."""

    def write(text: str) -> Path:
        path = project / ".psi" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def spawn(project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the program in the project, in a process of its own."""

    def run(*arguments: str, code: str | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        program: Sequence[str] = ("-c", code) if code else ("-c", "from lllm.cli import main; main()")
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            **options,
        )

    return run

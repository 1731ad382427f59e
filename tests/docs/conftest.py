"""Pages of documentation, taken apart into blocks and run block by block."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)(?P<options>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the file it is the text of, the text and its first line's number."""

    language: str
    title: str | None
    text: str
    line: int


def blocks(text):
    """Return the fenced blocks of a page of Markdown, in order."""
    found = []
    for fence in FENCE.finditer(text):
        title = TITLE.search(fence["options"])
        line = text.count("\n", 0, fence.start("text")) + 1
        found.append(Block(fence["language"], title and title[1], textwrap.dedent(fence["text"]), line))
    return found


class Page:
    """A page being read: its Python runs in one namespace, in a directory of its own.

    Attributes:
        directory: Where its files are written and its commands run.
        names: The namespace of its Python blocks.
    """

    def __init__(self, directory):
        self.directory = directory
        self.names = {"__name__": "page"}

    def write(self, name, text):
        """Write a file into the page's directory."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *sources):
        """Run Python in the page's namespace."""
        for source in sources:
            exec(source, self.names)

    def read(self, block, source):
        """Do with a block what its reader would."""
        if block.title is not None:
            self.write(block.title, block.text)
        elif block.language == "python":
            padding = "\n" * (block.line - 1)  # so that a traceback shows the line of the page
            self.run(compile(padding + block.text, str(source), "exec"))
        elif block.language == "bash":
            self.shell(block.text)

    def shell(self, text):
        """Run the commands of this project; check of the others that what they speak of exists."""
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and not is_for_readers(words):
                run_shell(line, self.directory)


def is_for_readers(words):
    """Return whether a command is left to the reader: it needs the network, or takes minutes."""
    if words[0] == "make":
        targets = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in (word for word in words[1:] if "=" not in word):
            assert f"\n{target}:" in targets, f"the Makefile has no target {target}"
        return True
    if words[0] == "pip" or words[1:3] == ["-m", "pip"]:
        for name in (word for word in words if word.endswith(".txt")):
            assert (ROOT / name).is_file(), name
        return True
    return words[1:3] == ["-m", "venv"]


def run_shell(line, directory):
    """Run one line in bash with the commands of this environment first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page to read, in an empty directory that is also the working directory.

    What the page registers for the whole process is forgotten afterwards: other tests count what there is.
    """
    from lllm_packages import Runtime, get_default_runtime, modules, set_default_runtime
    from lllm_packages.defaults import discover
    from lllm_runtime_agents import invokers

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(invokers, "_builders", dict(invokers._builders))
    monkeypatch.setattr(modules, "_homes", {})
    monkeypatch.setattr(modules, "_owners", {})
    former = get_default_runtime()
    set_default_runtime(Runtime(discover=discover))
    yield Page(tmp_path)
    set_default_runtime(former)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lllm_pkg"]:
        del sys.modules[name]


def pages():
    """Return every page whose blocks must run: the README of the project and of each member, and docs/."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
    for group in ("runtimes", "stores", "plugins"):
        found += sorted(ROOT.glob(f"{group}/*/README.md"))
    return found


def pytest_generate_tests(metafunc):
    """Give a test that asks for a `document` each page in turn."""
    if "document" in metafunc.fixturenames:
        documents = pages()
        metafunc.parametrize("document", documents, ids=[str(path.relative_to(ROOT)) for path in documents])


@pytest.fixture(name="blocks")
def blocks_fixture():
    """The function that takes a page apart."""
    return blocks

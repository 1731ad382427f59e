"""An environment to install plugins into, beside what this environment has."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = ("--disable-pip-version-check", "--quiet")


class Environment:
    """A virtual environment that sees everything installed here, and what is installed into it.

    Attributes:
        python: Its interpreter.
        work: A working directory without a config.
    """

    def __init__(self, folder):
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        self.work = folder / "work"
        self.work.mkdir()
        site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
        # A path alone would not run the `.pth` files there, by which editable installs are found.
        paths = [path for path in sys.path if path.endswith("site-packages")]
        lines = [f"import site; site.addsitedir({path!r})\n" for path in paths]
        (site / "outer.pth").write_text("".join(lines), encoding="utf-8")

    def run(self, *arguments, check=True):
        """Run its interpreter."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LLLM_")}
        # The tests of a plugin need nothing beyond pytest.
        environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        command = [self.python, *map(str, arguments)]
        result = subprocess.run(
            command, check=False, cwd=self.work, env=environ, capture_output=True, text=True
        )
        assert not check or result.returncode == 0, f"{command}:\n{result.stdout}\n{result.stderr}"
        return result

    def lllm(self, *arguments, check=True):
        """Run the command line."""
        program = "import sys; from lllm.cli import main; sys.exit(main())"
        return self.run("-c", program, *arguments, check=check)

    def install(self, *folders):
        """Install distributions from their folders, without an index."""
        self._pip("install", "--no-build-isolation", "--no-index", "--no-deps", *folders)

    def uninstall(self, name):
        """Remove a distribution."""
        self._pip("uninstall", "--yes", name)

    def _pip(self, command, *arguments):
        pip = [sys.executable, "-m", "pip", "--python", self.python, *OFFLINE, command, *arguments]
        subprocess.run([str(word) for word in pip], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Make an environment for the tests of one module."""
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="session")
def examples():
    """The folder of the examples."""
    return ROOT / "examples"

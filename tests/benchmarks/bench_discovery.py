"""Finding and listing plugins among few and many installed distributions.

python tests/benchmarks/bench_discovery.py
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import click
import pluggy
from timing import best, calls, compare, processes, report

import lllm
from lllm.plugins import discover

PLUGINS = 13
LIST = "import sys; sys.argv = ['lllm', 'plugins', 'list']; from lllm.cli import main; main()"
PLUGIN = """\
import lllm

@lllm.hookimpl
def lllm_runtimes():
    return [lllm.RuntimeSpec("r{0}", "acme_{0}.parts:Runtime", "One.", schemes=("r{0}",), claims=("claim_{0}",))]

@lllm.hookimpl
def lllm_stores():
    return [lllm.StoreSpec("s{0}", "acme_{0}.parts:Store", "One.", schemes=("s{0}",))]

@lllm.hookimpl
def lllm_commands(cli):
    @cli.command("c{0}")
    def command():
        print({0})
"""


def add_distributions(site: Path, first: int, last: int) -> None:
    """Write the metadata of distributions that have nothing to do with plugins; every third has scripts."""
    for number in range(first, last):
        info = site / f"filler_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: filler-{number}\nVersion: 1.0\n")
        (info / "RECORD").touch()
        if number % 3 == 0:
            (info / "entry_points.txt").write_text(f"[console_scripts]\nfiller-{number} = filler:main\n")


def add_plugins(site: Path) -> None:
    """Install the plugins, as an installer would lay them out."""
    for number in range(PLUGINS):
        package = site / f"acme_{number}"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "plugin.py").write_text(PLUGIN.format(number))
        info = site / f"acme_{number}-1.0.dist-info"
        info.mkdir()
        requirement = f"Requires-Dist: lllm>=0.1,<{int(lllm.__version__.split('.')[0]) + 1}"
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: acme-{number}\nVersion: 1.0\n{requirement}\n"
        )
        (info / "entry_points.txt").write_text(f"[lllm]\nacme-{number} = acme_{number}.plugin\n")


def environment(folder: Path, distributions: int) -> tuple[str, Path]:
    """Make a virtual environment with the core, the plugins and further distributions; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    for module in (lllm, pluggy, click):
        source = Path(str(module.__file__)).parent
        (site / source.name).symlink_to(source)
    add_plugins(site)
    add_distributions(site, 0, distributions - PLUGINS)
    return str(folder / "bin" / "python"), site


def find_with_the_standard_library(site: Path) -> list[importlib.metadata.EntryPoint]:
    """Find the plugins as most programs do."""
    return [
        entry_point
        for distribution in importlib.metadata.distributions(path=[str(site)])
        for entry_point in distribution.entry_points
        if entry_point.group == "lllm"
    ]


def main() -> None:
    """Print one line for each figure."""
    # A tests' environment may forbid bytecode; an installed program has it.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as name:
        env = {**clean, "PYTHONPYCACHEPREFIX": str(Path(name, "bytecode"))}
        few, few_site = environment(Path(name, "few"), 20)
        many, many_site = environment(Path(name, "many"), 2020)
        for count, site in ((20, few_site), (2020, many_site)):
            compare(
                f"discover(), {count:,} distributions",
                calls(lambda site=site: discover([str(site)])),
                "importlib.metadata",
                calls(lambda site=site: find_with_the_standard_library(site)),
            )
        options = {"env": env, "cwd": name}
        empty, listing, long_listing = best(
            processes([few, "-c", ""], **options),
            processes([few, "-c", LIST], **options),
            processes([many, "-c", LIST], **options),
            rounds=15,
        )
        report(f"lllm plugins list, {PLUGINS} plugins", listing, "an empty interpreter", empty, budget=10)
        more = "the same, 2,000 more distributions: surplus"
        report(more, max(long_listing - listing, 0), "an empty interpreter", empty, budget=2.5)


if __name__ == "__main__":
    main()

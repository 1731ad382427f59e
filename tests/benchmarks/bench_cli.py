"""What starting the command line costs, against an interpreter that does nothing.

python tests/benchmarks/bench_cli.py
"""

from __future__ import annotations

import sys

from timing import compare, processes

MAIN = "from lllm.cli import main; main()"

FIGURES = [
    ("lllm --version", ("--version",), 1.5),
    ("lllm --help", ("--help",), 8.0),
    ("lllm --no-plugins --help", ("--no-plugins", "--help"), None),
    ("lllm list", ("list",), None),
]


def main() -> None:
    """Print one line for each command."""
    empty = processes([sys.executable, "-c", ""])
    for name, arguments, budget in FIGURES:
        started = processes([sys.executable, "-c", MAIN, *arguments])
        compare(name, started, "an empty interpreter", empty, budget=budget, rounds=15)


if __name__ == "__main__":
    main()

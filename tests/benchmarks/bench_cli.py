"""What starting the command lines costs, against an interpreter that does nothing, or that imports pydantic.

python tests/benchmarks/bench_cli.py
"""

from __future__ import annotations

import sys
import tempfile

from timing import compare, processes

MAIN = "from lllm.cli import main; main()"

SSSN = "from sssn.cli import main; main()"
PYDANTIC = "from pydantic import BaseModel, TypeAdapter"

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
    with tempfile.TemporaryDirectory() as folder:
        pydantic = processes([sys.executable, "-c", PYDANTIC])
        for name, arguments in (
            ("sssn --help", ("--help",)),
            ("sssn channels", ("--store", f"{folder}/missing", "channels")),
        ):
            started = processes([sys.executable, "-c", SSSN, *arguments])
            compare(name, started, "importing pydantic's BaseModel, TypeAdapter", pydantic, rounds=15)


if __name__ == "__main__":
    main()

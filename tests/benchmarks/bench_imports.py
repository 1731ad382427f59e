"""What importing costs, each against an interpreter that does the least that the thing needs.

python tests/benchmarks/bench_imports.py
"""

from __future__ import annotations

import sys

from timing import compare, processes


def python(program: str = "") -> object:
    """Return a batch of whole processes that run `program`."""
    return processes([sys.executable, "-c", program])


FIGURES = [
    ("import lllm", "import lllm", "an empty interpreter", "", 1.5),
    (
        "from lllm import Tactic",
        "from lllm import Tactic",
        "from pydantic import BaseModel, TypeAdapter",
        "from pydantic import BaseModel, TypeAdapter",
        1.2,
    ),
    (
        "lllm plugins: discover()",
        "import lllm.plugins; lllm.plugins.discover()",
        "an empty interpreter",
        "",
        None,
    ),
    (
        "from lllm import as_tactic",
        "from lllm import as_tactic",
        "from lllm import Tactic",
        "from lllm import Tactic",
        None,
    ),
    ("import sssn", "import sssn", "from pydantic import BaseModel", "from pydantic import BaseModel", None),
]


def main() -> None:
    """Print one line for each import."""
    for name, program, baseline_name, baseline, budget in FIGURES:
        compare(name, python(program), baseline_name, python(baseline), budget=budget, rounds=15)


if __name__ == "__main__":
    main()

"""What packages cost: at import, at the first look-up, at each later one, and when a config is resolved.

python tests/benchmarks/bench_packages.py
"""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
from pathlib import Path

from timing import calls, compare, processes

PROMPT = '''"""A prompt."""

from lllm import Prompt

WORDS = ["clear", "short"]

PROMPT = Prompt(
    path="prompt_{number}",
    prompt="""You write {{kind}} texts about {{topic}}.

Keep to the point, say where a fact comes from, and end with one question.
""",
    metadata={{"number": {number}}},
)
'''

TACTIC = '''"""A tactic."""

from __future__ import annotations

import logging

from lllm import Tactic

logger = logging.getLogger(__name__)


class Tactic{number}(Tactic):
    """Asks one agent and cleans its answer."""

    name = "tactic_{number}"
    agent_group = ["writer"]

    def call(self, task, **kwargs):
        writer = self.agents["writer"]
        writer.open("session")
        writer.receive(f"Work on this:\\n\\n{{task}}")
        answer = writer.respond().content
        return self.clean(answer)

    def clean(self, text):
        lines = [line.strip() for line in text.splitlines()]
        return "\\n".join(line for line in lines if line)
'''


def write_package(folder: Path) -> list[Path]:
    """Write a package of 50 prompts, 50 tactics and 3 configs; return its Python files."""
    files = {f"prompts/p{number}.py": PROMPT.format(number=number) for number in range(50)}
    files |= {f"tactics/t{number}.py": TACTIC.format(number=number) for number in range(50)}
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    (folder / "lllm.toml").write_text('[package]\nname = "bench"\n', encoding="utf-8")
    (folder / "configs").mkdir()
    agents = [{"name": name, "system_prompt": "Be brief.", "model_args": {"top_p": 1}} for name in "abc"]
    levels = [
        {"global": {"model_name": "m", "model_args": {"temperature": 0.2}}, "agent_configs": agents},
        {"base": "level0", "global": {"model_args": {"temperature": 0.5}}, "max_workers": 4},
        {"base": "level1", "tactic_type": "tactic_1"},
    ]
    for number, config in enumerate(levels):
        (folder / "configs" / f"level{number}.json").write_text(json.dumps(config), encoding="utf-8")
    return [folder / path for path in files]


def python(code: str, folder: Path) -> object:
    """Return a batch that runs code in a process of its own, in a folder."""
    return processes([sys.executable, "-c", code], cwd=folder, env={**os.environ, "HOME": str(folder.parent)})


def main() -> None:
    """Measure and print one line for each figure."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, empty = Path(temporary, "bench"), Path(temporary, "empty")
        folder.mkdir()
        empty.mkdir()
        files = write_package(folder)
        compare(
            "import lllm in a folder with a package",
            python("import lllm", folder),  # type: ignore[arg-type]
            "import lllm in an empty folder",
            python("import lllm", empty),  # type: ignore[arg-type]
            budget=1.1,
        )
        os.chdir(folder)
        os.environ["HOME"] = temporary
        measure(folder, files)


def measure(folder: Path, files: list[Path]) -> None:
    """Measure the look-ups of one package in this process."""
    from lllm_packages import Runtime, get_default_runtime, load_package, resolve_config
    from lllm_packages.source_scan import forget_scans

    def first_look_up() -> None:
        forget_scans()
        again()

    def again() -> None:
        runtime = Runtime()
        load_package(folder, runtime)
        assert runtime.has("prompt_7", "prompt")
        assert runtime.has("tactic_7", "tactic")

    def parse() -> None:
        for file in files:
            ast.parse(file.read_bytes())

    parsing = calls(parse)
    compare("first look-up, 100 files", calls(first_look_up), "parsing them", parsing, budget=3)
    compare("first look-up, unchanged files", calls(again), "parsing them", parsing, budget=1)

    runtime = get_default_runtime()
    table = {f"bench.configs:level{number}": object() for number in range(50)}
    exact, bare = "bench.configs:level0", "level0"
    plain = calls(lambda: table.get(exact))
    compare(
        "look-up by the exact key", calls(lambda: runtime.get(exact, "config")), "dict.get", plain, budget=8
    )
    compare("look-up by a bare key", calls(lambda: runtime.get(bare, "config")), "dict.get", plain, budget=8)
    compare(
        "has(), by a prompt's path",
        calls(lambda: runtime.has("prompt_7", "prompt")),
        "dict.get",
        plain,
        budget=8,
    )
    text = json.dumps(resolve_config("level2"))
    compare(
        "resolve_config, 3 levels",
        calls(lambda: resolve_config("level2")),
        "json.loads of the result",
        calls(lambda: json.loads(text)),
        budget=20,
    )


if __name__ == "__main__":
    main()

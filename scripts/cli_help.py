"""Write the help texts of the command line into docs/cli.md.

Every `text` block there that begins with `$ lllm ... --help` holds what that command prints. Run
`python scripts/cli_help.py` after a command has changed; a test compares the page with what this would write.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from lllm.cli.program import make_program

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
BLOCK = re.compile(r"```text\n(\$ lllm [^\n]*--help)\n.*?```", re.DOTALL)
WIDTH = 98


def help_text(command: str) -> str:
    """Return what a command prints, at the same width on every terminal.

    Args:
        command: The command as a user types it, `$ ` included.
    """
    arguments = shlex.split(command.removeprefix("$ lllm "))
    result = CliRunner().invoke(make_program(), arguments, prog_name="lllm", terminal_width=WIDTH)
    if result.exit_code != 0:
        raise SystemExit(f"{command}: {result.output}")
    return result.stdout


def render(page: str) -> str:
    """Return the page with the help texts as they are now.

    Args:
        page: The text of the page.
    """
    return BLOCK.sub(lambda block: f"```text\n{block[1]}\n{help_text(block[1])}```", page)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

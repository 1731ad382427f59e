"""Write the help texts of the `sssn` command into docs/sssn-cli.md.

Every `text` block there that begins with `$ sssn ... --help` holds what that command prints. Run
`python scripts/sssn_help.py` after a command has changed; a test compares the page with what this would write.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from pathlib import Path
from unittest.mock import patch

from sssn.cli import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "sssn-cli.md"
BLOCK = re.compile(r"```text\n(\$ sssn [^\n]*--help)\n.*?```", re.DOTALL)
WIDTH = "98"


def help_text(command: str) -> str:
    """Return what a command prints, at the same width on every terminal.

    Args:
        command: The command as a user types it, `$ ` included.
    """
    printed = io.StringIO()
    with (
        patch.dict(os.environ, {"COLUMNS": WIDTH, "NO_COLOR": "1"}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main(shlex.split(command.removeprefix("$ sssn ")))
    return printed.getvalue()


def render(page: str) -> str:
    """Return the page with the help texts as they are now.

    Args:
        page: The text of the page.
    """
    return BLOCK.sub(lambda block: f"```text\n{block[1]}\n{help_text(block[1])}```", page)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

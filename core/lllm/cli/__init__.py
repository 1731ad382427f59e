"""The command line `lllm`.

Starting must be quick, so this module imports nothing but the standard library; `lllm --version` ends here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lllm._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lllm.entrypoint import load_tactic_entrypoint

__all__ = ["load_tactic_entrypoint", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments after the program's name; those of the process when None.

    Returns:
        0 after a success.

    Raises:
        SystemExit: The command failed; the code is 2 for usage and load errors, 1 when a check or a call failed.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments == ["--version"]:
        print(f"lllm {__version__}")
        return 0
    from lllm.cli.program import make_program

    code = make_program().run(arguments)
    if code:
        raise SystemExit(code)
    return 0


def __getattr__(name: str) -> object:
    if name == "load_tactic_entrypoint":
        from lllm.entrypoint import load_tactic_entrypoint

        return load_tactic_entrypoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The `sssn` command: one compact JSON line per object, errors on stderr with exit code 2."""

from __future__ import annotations

import io
import os
import sys
from argparse import Namespace

from sssn.cli.output import print_results
from sssn.cli.parser import Parser, build_parser
from sssn.cli.target import open_target

__all__ = ["main"]

INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run the `sssn` command.

    Args:
        argv: Arguments without the program's name; None means those of the process.

    Returns:
        The exit code: 0 after success, 1 when `check` finds problems or the reader of stdout went away,
        130 after an interrupt.

    Raises:
        SystemExit: Code 2 after any failure, with usage and `sssn: error: ...` on stderr; code 0 after
            `--help` and `--version`.
    """
    args = build_parser().parse_args(argv)
    _speak_utf8()
    parser: Parser = args.parser
    try:
        return _run(args)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        parser.error(_text(error))


def _run(args: Namespace) -> int:
    if args.plain_run is not None:
        return print_results(args.plain_run(args))
    opened = open_target(args.store, token_env=args.store_token_env, changes_only=args.changes_only)
    with opened as store:
        return print_results(args.run(store, args))


def _text(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _speak_utf8() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(encoding="utf-8")

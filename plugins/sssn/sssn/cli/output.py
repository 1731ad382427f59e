"""What the commands print: compact JSON lines, and tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["ExitCode", "choose_format", "json_line", "print_results", "table"]


class ExitCode(int):
    """Yielded by a command as its last result, to end with that exit code."""


def print_results(results: Iterable[Any]) -> int:
    """Print each result on a line of its own and return the exit code.

    Args:
        results: Texts are printed as they are, models and plain values as compact JSON, an `ExitCode`
            ends the output.
    """
    for result in results:
        if isinstance(result, ExitCode):
            return int(result)
        sys.stdout.write(f"{json_line(result)}\n")
        sys.stdout.flush()
    return 0


def json_line(value: Any) -> str:
    """Return a text as it is and anything else as one line of compact JSON.

    Args:
        value: A text, a model, or a plain JSON value.
    """
    if isinstance(value, str):
        return value
    if hasattr(value, "model_dump_json"):
        line: str = value.model_dump_json(by_alias=True)
        return line
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def choose_format(chosen: str | None, for_people: str) -> str:
    """Return the output format: the chosen one, else the readable one on a terminal and JSON elsewhere.

    Args:
        chosen: Value of `--format`, or None.
        for_people: The format for a terminal.
    """
    if chosen is not None:
        return chosen
    return for_people if sys.stdout.isatty() else "json"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lay out rows under column titles; numbers are aligned right.

    Args:
        columns: Titles.
        rows: One value per column; None is shown as `-`.

    Returns:
        The lines, without trailing blanks.
    """
    values = [list(row) for row in rows]
    texts = [list(columns), *([_cell(value) for value in row] for row in values)]
    widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
    numeric = [
        bool(values) and all(isinstance(row[index], int | float) or row[index] is None for row in values)
        for index in range(len(columns))
    ]
    return [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in texts
    ]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:g}" if value < 1e6 else f"{value:.3f}"
    return str(value)

"""Tables on a terminal: aligned columns, nothing cut, nothing that a terminal might obey."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lllm.plugins.records import one_line

__all__ = ["print_table"]


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a line of column names.

    Args:
        head: The names of the columns.
        rows: The cells of each row, as many as there are columns.
    """
    lines = [tuple(head), *(tuple(one_line(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

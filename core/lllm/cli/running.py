"""`lllm run`: one call of a tactic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from lllm.cli.failures import CallFailed, failure_line
from lllm.cli.targets import NamedTactic, load_named_tactic
from lllm.cli.values import json_text, read_value
from lllm.errors import SchemaError, TacticUnsupportedError

__all__ = ["call_failures", "run"]


@click.command()
@click.argument("entry", metavar="ENTRY_OR_REF")
@click.argument("value", metavar="[INPUT]", required=False)
@click.option("--input", "value_option", metavar="INPUT", help="The input, instead of the second argument.")
@click.option("--text", "plain", is_flag=True, help="Take the input as text instead of JSON.")
@click.option("--trace", is_flag=True, help="Print the output together with the trace of the call.")
@click.option("--stream", is_flag=True, help="Print each chunk of the output as one line, as it comes.")
def run(
    entry: str, value: str | None, value_option: str | None, plain: bool, trace: bool, stream: bool
) -> None:
    """Run a tactic on one input and print its output as JSON.

    INPUT is JSON, `-` for JSON from stdin, or `@FILE`. The exit code is 1 when the tactic fails.
    """
    if value is not None and value_option is not None:
        raise click.UsageError("INPUT was given twice: as an argument and with --input.")
    if trace and stream:
        raise click.UsageError("--trace and --stream exclude each other.")
    named = load_named_tactic(entry)
    given = read_value(value if value_option is None else value_option, plain=plain)
    with call_failures():
        if stream:
            for chunk in named.tactic.stream(given, context=named.context()):
                click.echo(json_text(chunk, indent=None))
        elif trace:
            _run_traced(named, given)
        else:
            click.echo(json_text(named.tactic.run(given, context=named.context())))


def _run_traced(named: NamedTactic, given: Any) -> None:
    result = named.tactic.run(given, context=named.context(), return_trace=True)
    click.echo(json_text(result))
    if result.trace.state != "success":
        raise CallFailed(f"{result.trace.error_type}: {result.trace.error}")


@contextmanager
def call_failures() -> Iterator[None]:
    """Tell a tactic that failed from one that was not called as it must be."""
    try:
        yield
    except TacticUnsupportedError:
        raise
    except SchemaError as error:
        if error.direction == "input":
            raise
        raise CallFailed(failure_line(error)) from error
    except CallFailed:
        raise
    except (Exception, SystemExit) as error:
        raise CallFailed(failure_line(error)) from error

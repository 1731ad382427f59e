"""`lllm call`: one call of a tactic on another machine."""

from __future__ import annotations

import os
from contextlib import closing

import click

__all__ = ["call"]


@click.command()
@click.argument("target", metavar="URL_OR_REF")
@click.argument("value", metavar="[INPUT]", required=False)
@click.option("--text", "plain", is_flag=True, help="Take the input as text instead of JSON.")
@click.option("--stream", is_flag=True, help="Print each chunk of the output as one line, as it comes.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds for the call.")
@click.option("--token-env", metavar="NAME", help="Environment variable with a bearer token, for a URL.")
def call(
    target: str, value: str | None, plain: bool, stream: bool, timeout: float | None, token_env: str | None
) -> None:
    """Call a tactic behind HTTP on one input and print its output as JSON.

    URL_OR_REF is the URL of a tactic, or a psi:// ref of the config. INPUT is JSON, `-` for JSON from stdin, or
    `@FILE`. The exit code is 1 when the call fails.
    """
    from lllm.adapt import as_tactic
    from lllm.cli.running import call_failures
    from lllm.cli.targets import NamedTactic, load_named_tactic
    from lllm.cli.values import json_text, read_value

    if target.startswith("psi:"):
        if token_env is not None:
            raise click.UsageError("--token-env is for a URL; a ref names its credential with `api_key_ref`.")
        named = load_named_tactic(target)
    elif target.startswith(("http://", "https://")):
        auth = None if token_env is None else _token(token_env)
        named = NamedTactic(as_tactic(target, auth=auth))
    else:
        raise click.UsageError(
            f"{target!r} is neither a URL nor a psi:// ref; `lllm run` takes entry points."
        )
    given = read_value(value, plain=plain)
    context = named.context().limit(timeout)
    with closing(_Connections(named.tactic)), call_failures():
        if stream:
            for chunk in named.tactic.stream(given, context=context):
                click.echo(json_text(chunk, indent=None))
        else:
            click.echo(json_text(named.tactic.run(given, context=context)))


class _Connections:
    """What a tactic keeps open, when it keeps anything."""

    def __init__(self, tactic: object) -> None:
        self._close = getattr(tactic, "close", None)

    def close(self) -> None:
        """Close it."""
        if self._close is not None:
            self._close()


def _token(variable: str) -> str:
    token = os.environ.get(variable, "").strip()
    if not token:
        raise click.UsageError(f"The environment variable {variable} holds no token.")
    return token

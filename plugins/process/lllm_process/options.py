"""The options of `lllm process`; the work is imported when the command runs."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["process"]


@click.command()
@click.option(
    "--from", "source", required=True, metavar="CHANNEL", help="psi:// ref or name of the input channel."
)
@click.option("--tactic", required=True, metavar="REF_OR_ENTRY", help="psi:// ref, module:attribute or URL.")
@click.option("--to", "target", metavar="CHANNEL", help="psi:// ref or name of the output channel.")
@click.option("--store", metavar="URL", help="Store of channels given by name. Default .sssn.")
@click.option("--subscription", metavar="ID", help="Subscription to share; made when it is missing.")
@click.option("--filter-kind", metavar="KIND", help="Process only events of this kind.")
@click.option("--kind", default="result", show_default=True, help="Kind of the output events.")
@click.option(
    "--source", "source_name", default="lllm process", show_default=True, help="Source of the outputs."
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Events at once.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds for one attempt."
)
@click.option(
    "--max-deliveries", type=click.IntRange(1), metavar="N", help="Give an event up after N attempts."
)
@click.option(
    "--dead-letter", metavar="NAME", help="Channel of the input's store for events that are given up."
)
@click.option(
    "--backoff", type=click.FloatRange(0), default=1.0, show_default=True, help="First pause in seconds."
)
@click.option(
    "--lease-seconds", type=click.FloatRange(0, min_open=True), metavar="S", help="Length of a lease."
)
@click.option(
    "--start",
    default="beginning",
    show_default=True,
    help="For a new subscription: beginning, end or cursor.",
)
@click.option(
    "--replay",
    metavar="FROM",
    help="Go back first: beginning, a cursor, or a time (unix or ISO 8601); or skip to the end.",
)
@click.option("--generation", default="", help="Makes other outputs than an earlier processing did.")
@click.option("--once", is_flag=True, help="Stop when nothing is waiting; exit 1 when events were given up.")
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Seconds to finish on a signal.",
)
@click.option("--quiet", is_flag=True, help="No progress; warnings and errors only.")
def process(**options: Any) -> None:
    """Run the events of a channel through a tactic, results into another channel.

    Processors with one subscription share its events. A first signal lets running work finish, a second one ends it.
    """
    from lllm_process.command import run_process

    raise SystemExit(run_process(**options))

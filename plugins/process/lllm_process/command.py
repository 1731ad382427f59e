"""`lllm process`: a processor between two channels, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import Any

import click

from lllm.cli.targets import load_named_tactic
from lllm_process.backoff import Backoff
from lllm_process.display import ProgressLine, show_logs
from lllm_process.leaving import end_tasks, leave_at_exit
from lllm_process.outputs import token_of
from lllm_process.places import Place, ensure_named, ensure_subscription, open_places
from lllm_process.processor import Processor
from lllm_process.progress import Progress

__all__ = ["run_process"]

logger = logging.getLogger("lllm.process")

_LOG_EVERY = 10.0
"""Seconds between progress lines in the log."""


def run_process(
    *,
    source: str,
    tactic: str,
    target: str | None,
    store: str | None,
    subscription: str | None,
    filter_kind: str | None,
    kind: str,
    source_name: str,
    workers: int,
    timeout: float | None,
    max_deliveries: int | None,
    dead_letter: str | None,
    backoff: float,
    lease_seconds: float | None,
    start: str,
    replay: str | None,
    generation: str,
    once: bool,
    grace: float,
    quiet: bool,
) -> int:
    """Run a processor as the options say; see `lllm process --help`.

    Returns:
        The exit code: 0 when it ended as asked, 1 when `--once` had to give events up.
    """
    named = load_named_tactic(tactic)
    with ExitStack() as stack:
        origin, place = open_places(stack, source, target, store)
        _refuse_loop(origin, place, filter_kind, kind)
        if dead_letter is not None:
            ensure_named(origin.store, dead_letter)
        name = subscription or _default_subscription(named.tactic.tactic_name, place)
        ensure_subscription(
            origin,
            name,
            consumer=token_of(source_name),
            filters={"kind": filter_kind} if filter_kind else None,
            start=_start(start),
            lease_seconds=lease_seconds,
            max_deliveries=max_deliveries,
            dead_letter=dead_letter,
        )
        if replay is not None:
            origin.store.seek(name, **_replay(replay))
        terminal = sys.stderr.isatty()
        handler = show_logs(logging.WARNING if quiet or terminal else logging.INFO, terminal=terminal)
        stack.callback(logging.getLogger("lllm").removeHandler, handler)
        show, finish = _progress(terminal=terminal, quiet=quiet)
        processor = Processor(
            origin.store,
            name,
            named.tactic,
            output=None if place is None else place.channel,
            target=None if place is None else place.store,
            workers=workers,
            kind=kind,
            source=source_name,
            backoff=Backoff(first=backoff),
            timeout=timeout,
            lease_seconds=lease_seconds,
            generation=generation,
            grace=grace,
            on_progress=show,
        )
        with _signals(processor):
            return asyncio.run(_run(processor, once, finish))


async def _run(processor: Processor, once: bool, finish: Callable[[Progress], None]) -> int:
    try:
        progress = await processor.arun(once=once)
    except BaseException as error:
        leave_at_exit(2 if isinstance(error, Exception) else 130)
        raise
    finish(progress)
    code = 1 if once and progress.failed else 0
    leave_at_exit(code)
    await end_tasks(code)
    return code


def _refuse_loop(origin: Place, place: Place | None, filter_kind: str | None, kind: str) -> None:
    """Refuse to make an input of every output."""
    if place == origin and filter_kind in {None, kind}:
        raise click.UsageError(
            f"--from and --to are the same channel, so every output would be an input again; "
            f"give a --filter-kind other than the --kind of the outputs ({kind!r})."
        )


def _default_subscription(tactic: str, place: Place | None) -> str:
    parts = ["process", tactic] + ([] if place is None else [place.channel])
    return ".".join(token_of(part) for part in parts)


def _start(text: str) -> Any:
    if text in {"beginning", "end"}:
        return text
    if text.isdecimal():
        return int(text)
    raise click.UsageError(f"--start must be beginning, end or a cursor, not {text!r}.")


def _replay(text: str) -> dict[str, Any]:
    """Read where to go to: the beginning, the end, a cursor (small numbers), or a time."""
    if text in {"beginning", "end"}:
        return {"to": text}
    if text.isdecimal() and int(text) < 1_000_000_000:
        return {"cursor": int(text)}
    moment = _moment(text)
    if moment > time.time():
        raise click.UsageError(f"--replay goes back; {text!r} lies in the future.")
    return {"time": moment}


def _moment(text: str) -> float:
    with suppress(ValueError):
        return float(text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.UsageError(
            f"--replay must be beginning, end, a cursor, unix seconds or an ISO 8601 time, not {text!r}."
        ) from None


def _progress(
    *, terminal: bool, quiet: bool
) -> tuple[Callable[[Progress], None] | None, Callable[[Progress], None]]:
    """Return what shows progress while the processor runs, and what shows it at the end."""
    if quiet:
        return None, lambda progress: None
    if terminal:
        line = ProgressLine(sys.stderr)
        return line, lambda progress: line.show(progress, "\n")
    last = time.monotonic()

    def log(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_EVERY:
            last = time.monotonic()
            _log("progress", progress)

    return log, lambda progress: _log("stopped", progress)


def _log(message: str, progress: Progress) -> None:
    logger.info(message, extra={"progress": progress.as_dict()})


@contextmanager
def _signals(processor: Processor) -> Iterator[None]:
    """Stop gracefully at the first SIGINT or SIGTERM; the second one has its usual effect."""
    previous: dict[signal.Signals, Any] = {}

    def stop(number: int, frame: object) -> None:
        for name, handler in previous.items():
            signal.signal(name, handler)
        # Who sits at a terminal sees warnings only, and must know why the program does not end at once.
        level = logging.WARNING if sys.stderr.isatty() else logging.INFO
        logger.log(level, "stopping: running work may finish; a second signal ends it")
        processor.stop()

    for name in (signal.SIGINT, signal.SIGTERM):
        previous[name] = signal.signal(name, stop)
    try:
        yield
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)

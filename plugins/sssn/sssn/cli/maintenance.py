"""Commands about the whole store: check, backup, export, import, migrate, statistics, retention."""

from __future__ import annotations

import sys
from argparse import BooleanOptionalAction, Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sssn.cli.inputs import STDIN, given
from sssn.cli.output import ExitCode, choose_format, table
from sssn.cli.parser import Commands, Parser
from sssn.cli.target import open_target

if TYPE_CHECKING:
    from lllm.store import Store

__all__ = ["register"]

LIMITS = ("max_events", "max_age_seconds", "max_bytes", "keep_unfinished")


def register(commands: Commands) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where they are collected.
    """
    _register_retention(commands)
    check = commands.add("check", _check, "Look for damage; exit code 1 when there is any.")
    check.add_argument(
        "--deep", action="store_true", help="also compare the bytes of artifacts with their hashes"
    )
    backup = commands.add("backup", _backup, "Copy the store to a new directory while others write.")
    backup.add_argument("dest", metavar="DEST")
    export = commands.add("export", _export, "Write the whole store as JSON Lines.")
    export.add_argument("file", metavar="FILE", help="- writes to stdout")
    export.add_argument("--no-artifacts", action="store_true", help="leave out the content of artifacts")
    imports = commands.add("import", _import, "Read what export wrote.")
    imports.add_argument("file", metavar="FILE", help="- reads from stdin")
    _add_conflict(imports)
    migrate = commands.add_plain("migrate", _migrate, "Copy one store into another, of any backend.")
    migrate.add_argument("source", metavar="SRC_URL")
    migrate.add_argument("dest", metavar="DEST_URL")
    _add_conflict(migrate)
    stats = commands.add("stats", _stats, "Show counts, sizes, heads and lags.")
    stats.add_argument("--format", choices=("table", "json"), help="default: table on a terminal, else json")


def _add_conflict(parser: Parser) -> None:
    parser.add_argument(
        "--on-conflict",
        choices=("error", "skip"),
        default="error",
        help="what to do with a record that exists already (default: error)",
    )


def _register_retention(commands: Commands) -> None:
    retention = commands.add(
        "retention",
        _retention,
        "Show, set or apply what channels keep; without options it shows.",
        changes_only=True,
    )
    retention.add_argument("channel", nargs="?", metavar="CHANNEL", help="needed unless --apply is given")
    retention.add_argument("--max-events", type=int, metavar="N", help="keep the newest N events")
    retention.add_argument("--max-age-seconds", type=float, metavar="FLOAT", help="keep younger events")
    retention.add_argument("--max-bytes", type=int, metavar="N", help="keep the newest N bytes of events")
    retention.add_argument(
        "--keep-unfinished",
        action=BooleanOptionalAction,
        help="keep what a subscription has not finished (default: yes)",
    )
    retention.add_argument("--clear", action="store_true", help="keep everything from now on")
    retention.add_argument("--apply", action="store_true", help="remove what is beyond the limits now")
    retention.add_argument(
        "--dry-run", action="store_true", help="with --apply: only say what would be removed"
    )


def _retention(store: Store, args: Namespace) -> Iterable[Any]:
    limits = given(args, *LIMITS)
    if args.dry_run and not args.apply:
        raise ValueError("--dry-run goes with --apply")
    if args.channel is None and (limits or args.clear or not args.apply):
        raise ValueError("retention needs a CHANNEL unless --apply is given alone")
    if args.clear and limits:
        raise ValueError("--clear takes no limits")
    if limits or args.clear:
        yield store.set_retention(args.channel, **limits)
    elif not args.apply:
        yield store.get_retention(args.channel)
    if args.apply:
        yield store.apply_retention(args.channel, dry_run=args.dry_run)


def _check(store: Store, args: Namespace) -> Iterable[Any]:
    report = store.check(deep=args.deep)
    yield report
    if not report.ok:
        yield ExitCode(1)


def _backup(store: Store, args: Namespace) -> Iterable[Any]:
    store.backup(args.dest)
    return ()


def _export(store: Store, args: Namespace) -> Iterable[Any]:
    target = sys.stdout if args.file == STDIN else args.file
    store.export(target, artifacts=not args.no_artifacts)
    return ()


def _import(store: Store, args: Namespace) -> Iterable[Any]:
    source = sys.stdin if args.file == STDIN else args.file
    yield {"imported": store.import_(source, on_conflict=args.on_conflict)}


def _migrate(args: Namespace) -> Iterable[Any]:
    token_env = args.store_token_env
    # Only this command needs it, and every start would pay for it.
    import tempfile

    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
        with open_target(args.source, token_env=_for_http(args.source, token_env)) as source:
            source.export(file)
        file.seek(0)
        with open_target(args.dest, token_env=_for_http(args.dest, token_env)) as dest:
            yield {"imported": dest.import_(file, on_conflict=args.on_conflict)}


def _for_http(target: str, token_env: str | None) -> str | None:
    return token_env if target.lower().startswith(("http://", "https://")) else None


def _stats(store: Store, args: Namespace) -> Iterable[Any]:
    stats = store.stats()
    if choose_format(args.format, "table") == "json":
        return [stats]
    return table(("figure", "value"), _figures("", stats))


def _figures(prefix: str, value: Any) -> Iterator[tuple[str, object]]:
    """Flatten nested figures to dotted names."""
    if not isinstance(value, dict):
        yield prefix, value
        return
    for key, item in value.items():
        yield from _figures(f"{prefix}.{key}" if prefix else str(key), item)

"""Commands about subscriptions: create, pull, seek, lag."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from sssn.cli.inputs import given
from sssn.cli.output import choose_format, table
from sssn.cli.parser import Commands

if TYPE_CHECKING:
    from lllm.store import Store, SubscriptionLag

__all__ = ["register"]

LAG_COLUMNS = (
    "subscription",
    "channel",
    "head",
    "cursor",
    "undelivered",
    "in_flight",
    "delayed",
    "dead_lettered",
    "oldest_unfinished_at",
)


def register(commands: Commands) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where they are collected.
    """
    listing = commands.add("subscriptions", _subscriptions, "List the subscriptions.")
    listing.add_argument("--channel", help="only those of this channel")
    _register_create(commands)
    get = commands.add("get-subscription", _get_subscription, "Show one subscription.")
    get.add_argument("id", metavar="ID")
    pull = commands.add(
        "pull-subscription",
        _pull_subscription,
        "Take the next events and advance; a consumer that may crash takes leases instead.",
        changes_only=True,
    )
    pull.add_argument("id", metavar="ID")
    pull.add_argument("--limit", type=int, metavar="N", help="at most N events (default: its batch size)")
    delete = commands.add(
        "delete-subscription", _delete_subscription, "Delete a subscription.", changes_only=True
    )
    delete.add_argument("id", metavar="ID")
    seek = commands.add("seek", _seek, "Move a subscription; its leases are dropped.", changes_only=True)
    seek.add_argument("id", metavar="ID")
    where = seek.add_mutually_exclusive_group(required=True)
    where.add_argument("--cursor", type=int, metavar="N", help="the next event is the first above N")
    where.add_argument(
        "--time", type=float, metavar="FLOAT", help="the first appended at or after this unix time"
    )
    where.add_argument("--to", choices=("beginning", "end"))
    lag = commands.add("lag", _lag, "Show how far subscriptions are behind.")
    lag.add_argument("ids", nargs="*", metavar="ID", help="default: all subscriptions")
    lag.add_argument("--format", choices=("table", "json"), help="default: table on a terminal, else json")


def _register_create(commands: Commands) -> None:
    create = commands.add(
        "create-subscription", _create_subscription, "Create a subscription of a channel.", changes_only=True
    )
    create.add_argument("channel", metavar="CHANNEL")
    create.add_argument("--id", help="with a known id the stored subscription is returned")
    create.add_argument("--consumer", help="who reads it")
    create.add_argument(
        "--batch-size", type=int, default=100, metavar="N", help="events per pull or lease (default: 100)"
    )
    create.add_argument("--kind", help="only events of this kind")
    create.add_argument("--start", metavar="WHERE", help="beginning, end or a cursor (default: beginning)")
    create.add_argument("--lease-seconds", type=float, metavar="FLOAT", help="default length of a lease")
    create.add_argument("--max-deliveries", type=int, metavar="N", help="then an event is dead-lettered")
    create.add_argument("--dead-letter", metavar="CHANNEL", help="channel for events given up")


def _subscriptions(store: Store, args: Namespace) -> Iterable[Any]:
    return store.list_subscriptions(args.channel)


def _create_subscription(store: Store, args: Namespace) -> Iterable[Any]:
    yield store.create_subscription(
        args.channel,
        subscription_id=args.id,
        filters=None if args.kind is None else {"kind": args.kind},
        start=_start(args.start),
        **given(args, "consumer", "batch_size", "lease_seconds", "max_deliveries", "dead_letter"),
    )


def _start(text: str | None) -> Literal["beginning", "end"] | int:
    if text is None or text == "beginning":
        return "beginning"
    if text == "end":
        return "end"
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--start must be beginning, end or a cursor: {text!r}") from None


def _get_subscription(store: Store, args: Namespace) -> Iterable[Any]:
    yield store.get_subscription(args.id)


def _pull_subscription(store: Store, args: Namespace) -> Iterable[Any]:
    return store.pull_subscription(args.id, limit=args.limit)


def _delete_subscription(store: Store, args: Namespace) -> Iterable[Any]:
    store.delete_subscription(args.id)
    return ()


def _seek(store: Store, args: Namespace) -> Iterable[Any]:
    yield store.seek(args.id, **given(args, "cursor", "time", "to"))


def _lag(store: Store, args: Namespace) -> Iterable[Any]:
    ids = args.ids or [subscription.id for subscription in store.list_subscriptions()]
    lags = [store.lag(subscription_id) for subscription_id in ids]
    if choose_format(args.format, "table") == "json":
        return lags
    return _lag_table(lags) if lags else ()


def _lag_table(lags: list[SubscriptionLag]) -> Iterator[str]:
    rows = ([getattr(lag, column) for column in LAG_COLUMNS] for lag in lags)
    yield from table(LAG_COLUMNS, rows)
